import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';
import { SteadyClient } from '@rahat/persistence';
import { SUPERUSER } from './cluster.js';

const DATABASE = 'rahat';

/**
 * The metadata database of the platform that runs on this data folder, for whoever may read the folder's keys. Makes and
 * starts nothing.
 */
export function findMetadataDatabase(dataFolder: string): string {
  const password = path.join(dataFolder, 'keys', 'postgresql-password');
  const port = path.join(dataFolder, 'postgresql', 'port');
  if (!existsSync(password) || !existsSync(port))
    throw new RahatError('configuration_invalid', `There is no embedded metadata database in ${dataFolder}, or you may not read it.`, {
      hint: 'Name the data folder, and run this as the user that runs the platform; with a database of your own set DATABASE_URL.',
    });
  const url = new URL(`postgresql://127.0.0.1:${readFileSync(port, 'utf8').trim()}/${DATABASE}`);
  url.username = SUPERUSER;
  url.password = encodeURIComponent(readFileSync(password, 'utf8').trim());
  return url.toString();
}

/** The database of the platform on its own server, made when missing; gives its URL. */
export async function ensureMetadataDatabase(adminUrl: string): Promise<string> {
  const client = new SteadyClient({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (!rowCount) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${DATABASE}`;
  return url.toString();
}
