import { findServiceDatabase } from '@rahat/installation';
import { openOutbox } from '@rahat/messaging';
import { openServiceDatabase } from '@rahat/persistence';
import * as auth from '@rahat/service-auth';
import { loadConfig, OptionalPostgresqlUrl } from '@rahat/service-kit';
import { z } from 'zod';

const consoleConfig = z.object({ DATABASE_URL: OptionalPostgresqlUrl });

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

/** Straight into the database of the auth service: no log-in, no rights, no HTTP. Who may read the keys could do it by hand as well. */
export async function resetPasswordOnConsole(order: PasswordOrder, env: NodeJS.ProcessEnv): Promise<PasswordAnswer> {
  const url = await findServiceDatabase(order.dataFolder, loadConfig(consoleConfig, env).DATABASE_URL, 'auth');
  const database = await openServiceDatabase({ url, service: 'auth', migrations: auth.migrations, poolSize: 2 });
  try {
    const resets = new auth.PasswordResets(database, openOutbox());
    const { user, token, expiresAt } = await resets.issueOnConsole(order.email);
    if (order.password === undefined) return { user, token, expiresAt };
    await resets.use({ token, password: order.password });
    return { user };
  } finally {
    await database.close();
  }
}
