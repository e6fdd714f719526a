import path from 'node:path';
import { readKeyFile } from '@rahat/secrets';
import { findMetadataDatabase } from '../embedded-postgresql/metadata-database.js';
import { provisionServices } from './provision-services.js';

/**
 * Connection URL of a service's own role, on an installation that runs, for whoever may read its keys. `databaseUrl` is that of
 * a process of the service (its role's own) or that of the platform (an administrator's); without one the embedded server is meant.
 */
export async function findServiceDatabase(dataFolder: string, databaseUrl: string | undefined, service: string): Promise<string> {
  if (databaseUrl !== undefined && new URL(databaseUrl).username === `rahat_${service}`) return databaseUrl;
  const adminUrl = databaseUrl ?? findMetadataDatabase(dataFolder);
  const masterKey = await readKeyFile(path.join(dataFolder, 'keys', 'master.key'));
  const { serviceUrls } = await provisionServices(adminUrl, masterKey, [service], 'redis');
  return serviceUrls[service]!;
}
