import { findServiceDatabase } from '@rahat/installation';
import { openServiceDatabase, type ServiceDatabase } from '@rahat/persistence';
import { migrations } from '@rahat/service-auth';
import { loadConfig, OptionalPostgresqlUrl } from '@rahat/service-kit';
import { z } from 'zod';

const consoleConfig = z.object({ DATABASE_URL: OptionalPostgresqlUrl });

/** Straight into the database of the auth service: no log-in, no rights, no HTTP. Who may read the keys could do it by hand as well. */
export async function withAuthDatabase<T>(
  dataFolder: string,
  env: NodeJS.ProcessEnv,
  work: (database: ServiceDatabase) => Promise<T>,
): Promise<T> {
  const url = await findServiceDatabase(dataFolder, loadConfig(consoleConfig, env).DATABASE_URL, 'auth');
  const database = await openServiceDatabase({ url, service: 'auth', migrations, poolSize: 2 });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
