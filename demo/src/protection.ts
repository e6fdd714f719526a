import path from 'node:path';
import {
  backupsGet,
  plansCreate,
  plansRun,
  repositoriesCreate,
  serversCreate,
  databasesDiscover,
  storagesCreate,
  type Backup,
  type Plan,
  type Server,
} from '@rahat/api-client';
import { RahatError, type BackupMethod, type PostgresqlConnection } from '@rahat/contracts';
import type { Platform } from './platform.js';
import { data, succeeded, verified } from './steps.js';

/** Adds the server, a storage with an encrypted repository, and a plan: what `rahat-backup server|storage|plan` do. */
export async function protect(
  platform: Platform,
  connection: PostgresqlConnection,
  method: BackupMethod,
  folder: string,
): Promise<{ server: Server; plan: Plan }> {
  const { client } = platform;
  const { password, ...address } = connection;
  const server = await data(
    serversCreate({ client, body: { name: 'Shop server', engine: 'postgresql', pool: 'default', address, password } }),
  );
  await data(databasesDiscover({ client, path: { server: server.id } }));
  const storage = await data(
    storagesCreate({ client, body: { name: 'Demo storage', settings: { driver: 'local', path: path.join(folder, 'storage') } } }),
  );
  const repository = await data(repositoriesCreate({ client, body: { name: 'Demo repository', storage: storage.id } }));
  const plan = await data(
    plansCreate({
      client,
      body: {
        name: 'Shop every night',
        server: server.id,
        method,
        databases: ['shop'],
        repository: repository.id,
        cron: '0 3 * * *',
        timeZone: 'Europe/Istanbul',
        retention: { keepLast: 14, keepProven: 2 },
        verify: ['BASIC', 'FULL'],
      },
    }),
  );
  return { server, plan };
}

/** One backup, taken now and proven by a test restore before this returns. */
export async function backUpAndProve(platform: Platform, plan: Plan): Promise<Backup> {
  const { client } = platform;
  const { runs } = await data(plansRun({ client, path: { id: plan.id } }));
  const finished = await succeeded(client, runs[0]!.id);
  if (!finished.backup) throw new RahatError('internal', 'The backup run succeeded without a backup.');
  await verified(client, finished.backup, 'FULL');
  return data(backupsGet({ client, path: { id: finished.backup } }));
}
