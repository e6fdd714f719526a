import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Job } from '@rahat/connector-kit';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import pg from 'pg';
import { makeThrowawayFolder, startThrowawayServer } from '../throwaway/index.js';
import { ArtifactsInMemory } from './artifacts-in-memory.js';
import { restoreBaseBackupToFolder } from './restore-to-folder.js';
import { takeBaseBackup } from './take-base-backup.js';

let scratchFolder: string;
let server: PostgresqlServer;
const job: Job = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined };

function connectionTo(target: PostgresqlServer, overrides: Partial<PostgresqlConnection> = {}): PostgresqlConnection {
  return { host: target.host, port: target.port, user: target.user, password: target.password, maintenanceDatabase: 'postgres', tls: 'prefer', ...overrides };
}

beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-physical-spec-'));
  server = await startPostgresql({ major: 18 });
  await server.query('CREATE TABLE orders AS SELECT i, md5(i::text) AS note FROM generate_series(1, 50000) AS i');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(scratchFolder, { recursive: true, force: true });
});

describe('a base backup', () => {
  it('is restored to a folder on which a server starts with the same rows', async () => {
    const backup = new ArtifactsInMemory();
    backup.facts = await takeBaseBackup(connectionTo(server), { method: 'postgresql.physical', label: 'rhb-spec' }, backup, job);
    const { objectsExpected, objectsFound, trailerSeen } = backup.facts.evidence;
    expect({ trailerSeen, complete: objectsExpected > 900 && objectsExpected === objectsFound }).toEqual({ trailerSeen: true, complete: true });

    const folder = await makeThrowawayFolder(scratchFolder);
    const dataFolder = join(folder.path, 'data');
    await restoreBaseBackupToFolder(backup, dataFolder, job);
    expect((await stat(dataFolder)).mode & 0o7777).toBe(0o700);
    expect(await readFile(join(dataFolder, 'postgresql.auto.conf'), 'utf8')).toContain("archive_mode = 'off'");
    await using restored = await startThrowawayServer({ major: 18, folder, dataFolder, scratchFolder, toolFolders: [], signal: job.signal });
    const client = new pg.Client({ host: restored.connection.host, port: restored.connection.port, user: restored.connection.user, database: 'postgres' });
    await client.connect();
    expect((await client.query('SELECT count(*)::int AS rows FROM orders')).rows).toEqual([{ rows: 50000 }]);
    await client.end();
    expect((await readdir(join(folder.path))).includes('data.rhb-partial')).toBe(false);
  });
});
