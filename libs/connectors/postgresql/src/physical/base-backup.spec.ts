import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasPostgresql, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { checkBaseBackup } from './check-base-backup.js';
import { backUp, connectionTo, quietJob } from './test-parts.js';
import { testRestoreBaseBackup } from './test-restore.js';

const serverPackages = fileURLToPath(new URL('../../../../../tools/test-servers/node_modules', import.meta.url));
let scratchFolder: string;

beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-physical-spec-'));
});
afterAll(() => rm(scratchFolder, { recursive: true, force: true }));

/** A tablespace's folder must belong to the server's account. */
function makeTablespaceFolder(server: PostgresqlServer, name: string): string {
  const folder = join(server.dataFolder, '..', name);
  mkdirSync(folder);
  const { uid, gid } = statSync(server.dataFolder);
  chownSync(folder, uid, gid);
  return folder;
}

/** Puts files of a user's own into the data directory, as the server's account. */
function addOddFiles(server: PostgresqlServer): void {
  const { uid, gid } = statSync(server.dataFolder);
  for (const [name, mode] of [
    ['read only.txt', 0o400],
    ['all open.txt', 0o666],
    ['ünï "quoted" \\x.txt', 0o640],
  ] as const) {
    writeFileSync(join(server.dataFolder, name), name, { mode });
    chownSync(join(server.dataFolder, name), uid, gid);
  }
  const notUtf8 = Buffer.concat([Buffer.from(`${server.dataFolder}/latin-`), Buffer.from([0xe4])]);
  writeFileSync(notUtf8, 'ä');
  chownSync(notUtf8, uid, gid);
}

describe.each([13, 14, 15, 16, 17, 18] as const)('a base backup of PostgreSQL %i', (major) => {
  (hasPostgresql(major) ? it : it.skip)(
    'taken while tables are written is whole, and starts as a server in which everything can be read',
    async () => {
      await using server = await startPostgresql({ major, settings: { full_page_writes: 'on' } });
      await server.query(`CREATE TABLESPACE elsewhere LOCATION '${makeTablespaceFolder(server, 'elsewhere')}'`);
      await server.query(`CREATE TABLESPACE nothing LOCATION '${makeTablespaceFolder(server, 'nothing')}'`);
      await server.query('CREATE DATABASE "shop ""2"""');
      await server.query(
        'CREATE TABLE still TABLESPACE elsewhere AS SELECT i, md5(i::text) AS note FROM generate_series(1, 20000) AS i',
        [],
        'shop "2"',
      );
      await server.query('CREATE INDEX ON still (note)', [], 'shop "2"');
      await server.query('CREATE TABLE moving (i int PRIMARY KEY, note text)');
      addOddFiles(server);
      let writing = true;
      const writer = (async () => {
        const client = await server.connect();
        for (let i = 0; writing; i += 100) {
          await client.query(`INSERT INTO moving SELECT n, repeat('x', 500) FROM generate_series(${i}, ${i + 99}) AS n`);
          await sleep(2);
        }
        await client.end();
      })();

      const backup = await backUp(connectionTo(server));
      writing = false;
      await writer;
      // The server ends a session a moment after its client has left.
      const slots = () => server.query('SELECT slot_name FROM pg_replication_slots');
      for (const deadline = Date.now() + 10_000; Date.now() < deadline && (await slots()).length > 0;) await sleep(50);
      expect(await slots()).toEqual([]);
      const { evidence, positions } = backup.facts;
      expect(evidence).toMatchObject({ cleanExit: true, trailerSeen: true, objectsExpected: evidence.objectsFound });
      expect(BigInt(String(positions['systemIdentifier']))).toBeGreaterThan(0n);

      const content = await checkBaseBackup(backup, quietJob);
      expect(content).toMatchObject({ findings: [], objectsChecked: backup.artifacts.length });

      const toolFolders = [join(serverPackages, `postgresql-${major}`)];
      const proof = await testRestoreBaseBackup(backup, { scratchFolder, toolFolders, signal: quietJob.signal }, quietJob);
      expect(proof.restoredOn).toMatch(`throwaway PostgreSQL ${major}.`);
      expect(proof.tables).toEqual([]);
      expect(proof.findings.map((finding) => finding.code)).toEqual(['structure_checked', 'read_back']);
      const rows = new Map(proof.tablesRead?.map((table) => [`${table.database}/${table.table}`, table.rows]));
      expect(rows.get('shop "2"/still')).toBe(20000);
      expect(rows.get('postgres/moving')).toBeGreaterThan(0);
    },
  );
});
