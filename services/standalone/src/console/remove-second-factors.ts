import { openOutbox } from '@rahat/messaging';
import { LostFactors } from '@rahat/service-auth';
import { withAuthDatabase } from './auth-database.js';

export interface FactorsOrder {
  dataFolder: string;
  email: string;
}

/** For an owner who has lost the phone and the recovery codes, when nobody else may help. */
export async function removeSecondFactorsOnConsole(order: FactorsOrder, env: NodeJS.ProcessEnv): Promise<{ user: string }> {
  return withAuthDatabase(order.dataFolder, env, (database) => new LostFactors(database, openOutbox()).removeOnConsole(order.email));
}
