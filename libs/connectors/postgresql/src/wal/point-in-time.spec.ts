import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PostgresqlConnection, RecoveryTarget } from '@rahat/contracts';
import { hasPostgresql, startPostgresql } from '@rahat/test-servers';
import { connectClient } from '../connect.js';
import { inspectServer, restoreBaseBackupToFolder, testRestoreBaseBackup } from '../physical/index.js';
import {
  backUp,
  caughtUp,
  connectionTo,
  failureOf,
  followedSettings,
  LogInMemory,
  quietJob,
  startFollower,
  toolFoldersOf,
} from './test-parts.js';

let scratchFolder: string;
beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-wal-spec-'));
});
afterAll(() => rm(scratchFolder, { recursive: true, force: true }));

const LIMITS = {
  max_connections: '137',
  max_wal_senders: '12',
  max_locks_per_transaction: '77',
  max_prepared_transactions: '210',
  max_worker_processes: '9',
};

async function asked(connection: PostgresqlConnection): Promise<Record<string, unknown> | undefined> {
  await using client = await connectClient(connection, { database: 'postgres', label: 'spec', signal: quietJob.signal });
  const { rows } = await client.query<Record<string, unknown>>(
    `SELECT (SELECT count(*)::int FROM marks) AS rows, current_setting('max_connections') AS connections, current_setting('max_wal_senders') AS senders,
            current_setting('max_locks_per_transaction') AS locks, current_setting('max_prepared_transactions') AS prepared,
            current_setting('max_worker_processes') AS workers`,
  );
  return rows[0];
}

describe.each([13, 14, 15, 16, 17, 18] as const)('the followed log of PostgreSQL %i', (major) => {
  (hasPostgresql(major) ? it : it.skip)(
    'brings a base backup to each kind of point, and to no other',
    async () => {
      const archived = join(scratchFolder, `archived-${major}`);
      await using server = await startPostgresql({
        major,
        settings: { ...followedSettings, ...LIMITS, archive_mode: 'on', archive_command: `echo %f >> ${archived}; exit 1` },
      });
      const log = new LogInMemory();
      await using follower = startFollower(connectionTo(server), log);
      await server.query('CREATE TABLE marks (i int PRIMARY KEY, filler text)');
      const before = new Date().toISOString();
      await delay(20);
      await server.query(`INSERT INTO marks SELECT 1, repeat('x', 100000)`);
      const backup = await backUp(connectionTo(server));

      const marks: { i: number; transaction: string; lsn: string; time: string }[] = [];
      for (let i = 2; i <= 6; i++) {
        await delay(20);
        const [row] = await server.query<{ transaction: string }>(
          `INSERT INTO marks SELECT ${i}, string_agg(md5(n::text), '') FROM generate_series(1, 40000) n RETURNING pg_current_xact_id()::text AS transaction`,
        );
        if (i === 4) {
          await server.query(`SELECT pg_create_restore_point('before the o''clock')`);
          await server.query('SELECT pg_switch_wal()');
        }
        const [place] = await server.query<{ lsn: string; time: string }>(
          `SELECT pg_current_wal_insert_lsn()::text AS lsn, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time`,
        );
        marks.push({ i, transaction: row!.transaction, ...place! });
      }
      await caughtUp(server, log, follower);
      const stopped = await follower.stop();
      expect(stopped).toMatchObject({ reason: 'stopped', position: log.end, findings: [] });

      const context = { scratchFolder, toolFolders: toolFoldersOf(major), signal: quietJob.signal };
      const reached = async (target: RecoveryTarget) => {
        const proof = await testRestoreBaseBackup(backup, context, quietJob, [], { target, log });
        return proof.tablesRead?.find(({ table }) => table === 'marks')?.rows;
      };
      const [, third, fourth] = marks.map((mark) => mark);
      expect(await reached({ kind: 'time', time: third!.time, inclusive: true })).toBe(3);
      expect(await reached({ kind: 'end' })).toBe(6);
      // What PostgreSQL makes of each kind of target is the same in all majors.
      if (major === 15) {
        expect(await reached({ kind: 'lsn', lsn: third!.lsn, inclusive: false })).toBe(3);
        expect(await reached({ kind: 'transaction', transaction: fourth!.transaction, inclusive: true })).toBe(4);
        expect(await reached({ kind: 'transaction', transaction: fourth!.transaction, inclusive: false })).toBe(3);
        expect(await reached({ kind: 'name', name: "before the o'clock" })).toBe(4);
        expect(await reached({ kind: 'immediate' })).toBe(1);
        const last = log.ranges.findLast((range) => range.lastCommitAt)?.lastCommitAt ?? '';
        expect(await reached({ kind: 'time', time: last, inclusive: true })).toBe(6);
      }

      // To be looked at it needs what this major keeps in its control file.
      await using looked = await inspectServer(backup, { folder: join(scratchFolder, `looked-at-${major}`) }, context, quietJob, {
        target: { kind: 'time', time: third!.time, inclusive: true },
        log,
      });
      expect(await asked(looked.connection)).toEqual({
        rows: 3,
        connections: '137',
        senders: '12',
        locks: '77',
        prepared: '210',
        workers: '9',
      });
      await looked.advance(backup, { target: { kind: 'end' }, log }, quietJob);
      expect(await asked(looked.connection)).toMatchObject({ rows: 6 });

      const refused = async (target: RecoveryTarget, timeline?: number) => {
        const folder = join(scratchFolder, `refused-${major}`);
        const failure = await failureOf(restoreBaseBackupToFolder(backup, folder, quietJob, { target, timeline, log }));
        expect(failure.code).toBe('recovery_target_unreachable');
        expect(await readdir(scratchFolder)).not.toContain(`refused-${major}`);
        return `${failure.message} ${failure.hint}`;
      };
      expect(await refused({ kind: 'time', time: before, inclusive: true })).toMatch(
        /before the end of the backup.*Reachable from this backup is/,
      );
      expect(await refused({ kind: 'time', time: new Date(Date.now() + 1000).toISOString(), inclusive: true })).toContain(
        'the last commit in it at',
      );
      expect(await refused({ kind: 'lsn', lsn: '0/1000028', inclusive: true })).toContain('before the end of the backup');
      expect(await refused({ kind: 'lsn', lsn: 'F/0', inclusive: true })).toContain('behind the end of the log');
      expect(await refused({ kind: 'transaction', transaction: '4000000', inclusive: true })).toContain('does not end in the log');
      expect(await refused({ kind: 'name', name: 'nowhere' })).toContain('no restore point');
      expect(await refused({ kind: 'end' }, 7)).toContain('no timeline 7');

      // A folder for the user's own server: private, without a secret, and nothing of it reached the source's archive.
      const folder = join(scratchFolder, `it's "100%" here-${major}`);
      const facts = await restoreBaseBackupToFolder(backup, folder, quietJob, {
        target: { kind: 'time', time: third!.time, inclusive: true },
        action: 'pause',
        log,
      });
      expect(facts.findings.find(({ code }) => code === 'recovery_prepared')?.message).toContain('pg_wal_replay_resume');
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      const settings = await readFile(join(folder, 'postgresql.auto.conf'), 'utf8');
      expect(settings).toContain("recovery_target_action = 'pause'");
      expect(settings).not.toContain(server.password);
      const archivedNames = await readFile(archived, 'utf8').catch(() => '');
      expect(archivedNames).not.toMatch(/^0000000[2-9]/m);
    },
    300_000,
  );
});
