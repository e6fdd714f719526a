import { openOutbox } from '@rahat/messaging';
import { PasswordResets } from '@rahat/service-auth';
import { withAuthDatabase } from './auth-database.js';

export interface PasswordOrder {
  dataFolder: string;
  email: string;
  /** Set at once; without it a link is made that sets one. */
  password?: string;
}

export interface PasswordAnswer {
  user: string;
  token?: string;
  expiresAt?: string;
}

export async function resetPasswordOnConsole(order: PasswordOrder, env: NodeJS.ProcessEnv): Promise<PasswordAnswer> {
  return withAuthDatabase(order.dataFolder, env, async (database) => {
    const resets = new PasswordResets(database, openOutbox());
    const { user, token, expiresAt } = await resets.issueOnConsole(order.email);
    if (order.password === undefined) return { user, token, expiresAt };
    await resets.use({ token, password: order.password });
    return { user };
  });
}
