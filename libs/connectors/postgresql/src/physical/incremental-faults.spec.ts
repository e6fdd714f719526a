import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { makeThrowawayFolder, startThrowawayServer } from '../throwaway/index.js';
import { preflight } from '../preflight/backup-preflight.js';
import { caughtUp, LogInMemory, startFollower } from '../wal/test-parts.js';
import { checkBaseBackup } from './check-base-backup.js';
import { restoreBaseBackupToFolder } from './restore-to-folder.js';
import { ArtifactsInMemory, backUp, connectionTo, failureOf, physicalRequest, quietJob } from './test-parts.js';

const { signal } = quietJob;
const SETTINGS = { full_page_writes: 'on', wal_level: 'replica', summarize_wal: 'on', autovacuum: 'off' };
let scratchFolder: string;
let server: PostgresqlServer;
let full: ArtifactsInMemory;
let incremental: ArtifactsInMemory;
const log = new LogInMemory();

beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-incremental-spec-'));
  server = await startPostgresql({ major: 18, settings: SETTINGS });
  await server.query('CREATE TABLE orders AS SELECT i, md5(i::text) AS note FROM generate_series(1, 50000) AS i');
  // Else the first look at each row writes a hint into its page, and all pages have changed.
  await server.query('VACUUM FREEZE');
  await using follower = startFollower(connectionTo(server), log);
  full = await backUp(connectionTo(server));
  await server.query(`UPDATE orders SET note = 'changed' WHERE i % 10000 = 1`);
  incremental = await backUp(connectionTo(server), { type: 'incremental', parent: full });
  await server.query('INSERT INTO orders SELECT 0');
  await caughtUp(server, log, follower);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(scratchFolder, { recursive: true, force: true });
});

function copyOf(backup: ArtifactsInMemory): ArtifactsInMemory {
  const copy = new ArtifactsInMemory();
  copy.artifacts = [...backup.artifacts];
  copy.facts = backup.facts;
  copy.parent = backup.parent;
  for (const [key, bytes] of backup.bytes) copy.bytes.set(key, Buffer.from(bytes));
  return copy;
}

async function pathOf(table: string): Promise<string> {
  const [row] = await server.query<{ path: string }>(`SELECT pg_relation_filepath('${table}') AS path`);
  return row!.path;
}

/** Neither checked as whole nor ever put in place; what the restore says of it. */
async function refused(backup: ArtifactsInMemory): Promise<{ code: string; message: string; checked: string }> {
  const checked = await checkBaseBackup(backup, quietJob).then(
    ({ findings }) => findings.map(({ severity, message }) => `${severity}: ${message}`).join('; '),
    (error: Error) => error.message,
  );
  const target = join(scratchFolder, 'refused');
  const { code, message } = await failureOf(restoreBaseBackupToFolder(backup, target, quietJob));
  expect(await stat(target).catch(() => 'absent')).toBe('absent');
  return { code, message, checked };
}

describe('a chain of backups', () => {
  it('is refused with the name of the link in which a bit was flipped', async () => {
    const damaged = copyOf(full);
    damaged.flipByte(`base/${await pathOf('orders')}`, 12_345);
    const child = copyOf(incremental);
    child.parent = damaged;
    const told = await refused(child);
    expect(told.code).toBe('restore_mismatch');
    for (const text of [told.message, told.checked])
      expect(text).toContain(`the backup of ${full.facts.consistentAt}, which it is restored upon`);

    const own = copyOf(incremental);
    own.flipByte(own.artifacts.find(({ key, sizeBytes }) => key.includes('/INCREMENTAL.') && sizeBytes > 8192)!.key, 9000);
    expect(await refused(own)).toMatchObject({ code: 'restore_mismatch', checked: expect.stringContaining('blocker') });

    const manifest = copyOf(full);
    manifest.flipByte('backup_manifest', 400);
    child.parent = manifest;
    expect((await refused(child)).message).toContain(`In the backup of ${full.facts.consistentAt}`);
  });

  it('is refused when a link is gone, lacks a file, or is another one', async () => {
    const alone = copyOf(incremental);
    alone.parent = undefined;
    expect(await refused(alone)).toMatchObject({ code: 'dump_invalid', message: expect.stringContaining('is not there') });

    const lacking = copyOf(full);
    lacking.drop(`base/${await pathOf('orders')}`);
    const child = copyOf(incremental);
    child.parent = lacking;
    expect(await refused(child)).toMatchObject({ code: 'dump_invalid', checked: expect.stringContaining('rests upon') });

    child.parent = await backUp(connectionTo(server));
    expect(await refused(child)).toMatchObject({
      code: 'dump_invalid',
      message: expect.stringContaining('was taken upon one that began at'),
    });
  });
});

describe('a full backup is taken instead, and says why', () => {
  const takenUpon = async (change: Partial<Record<string, string | number>>) => {
    const parent = copyOf(full);
    parent.facts = { ...full.facts, positions: { ...full.facts.positions, ...(change as Record<string, string>) } };
    return backUp(connectionTo(server), { type: 'incremental', parent });
  };
  const reasonOf = ({ facts }: ArtifactsInMemory) => {
    expect(facts.label).toBe('full · space-incremental');
    return facts.findings.find(({ code }) => code === 'full_instead')?.message;
  };

  it.each([
    ['the parent is of another server', { systemIdentifier: '7311' }, 'of another server'],
    ['checksums were switched since', { dataChecksums: 'off' }, 'data checksums are on now'],
    ['the parent is older than what tells of checksums', { dataChecksums: undefined }, 'does not tell'],
    ['the server refuses the manifest', { startLsn: 'FF/28' }, 'the server refused'],
  ])('where %s', async (_name, change, reason) => {
    expect(reasonOf(await takenUpon(change))).toContain(reason);
  });

  it('where the server was promoted since, by a copy that left its source’s timeline', async () => {
    const folder = await makeThrowawayFolder(scratchFolder);
    const dataFolder = join(folder.path, 'data');
    await restoreBaseBackupToFolder(incremental, dataFolder, quietJob, { target: { kind: 'end' }, log });
    const access = join(folder.path, 'hba');
    await writeFile(access, 'local all all trust\nlocal replication all trust\n', { mode: 0o644 });
    const settings = { ...SETTINGS, max_wal_senders: '10', hba_file: access };
    await using promoted = await startThrowawayServer({ major: 18, folder, dataFolder, scratchFolder, toolFolders: [], signal, settings });
    const backup = await backUp(promoted.connection, { type: 'incremental', parent: incremental });
    expect(reasonOf(backup)).toContain('timeline 2 now');
    // From there on a new chain grows.
    expect((await backUp(promoted.connection, { type: 'incremental', parent: backup })).facts.label).toBe('incremental (native)');
  });

  it('where the summaries of the log are gone', async () => {
    await server.query('INSERT INTO orders SELECT i FROM generate_series(1, 1000) AS i');
    await server.query('CHECKPOINT');
    await sleep(500);
    const summaries = join(server.dataFolder, 'pg_wal/summaries');
    for (const name of await readdir(summaries)) if (name.endsWith('.summary')) await rm(join(summaries, name));
    expect(reasonOf(await backUp(connectionTo(server), { type: 'incremental', parent: full }))).toMatch(
      /the server refused: WAL summaries are required/,
    );
  });
});

describe('a server that can take no incremental backups', () => {
  it('is told so before and at the start, with what would change that', async () => {
    await server.query('ALTER SYSTEM SET summarize_wal = off');
    await server.query('SELECT pg_reload_conf()');
    await sleep(300);
    const context = { toolFolders: [], scratchFolder, signal };
    const upon = { type: 'differential', parent: full } as const;
    expect(await preflight(connectionTo(server), { ...physicalRequest, ...upon }, context)).toMatchObject([
      { code: 'wal_summaries_off', severity: 'blocker', fix: expect.stringContaining('summarize_wal = on') },
    ]);
    expect(await preflight(connectionTo(server), physicalRequest, context)).toEqual([]);
    expect(await failureOf(backUp(connectionTo(server), upon))).toMatchObject({
      code: 'backup_type_unsupported',
      hint: expect.stringContaining('summarize_wal'),
    });

    await using older = await startPostgresql({ major: 15, settings: { wal_level: 'replica' } });
    expect(await preflight(connectionTo(older), { ...physicalRequest, ...upon }, context)).toMatchObject([
      { code: 'incremental_unsupported', severity: 'blocker' },
    ]);
    expect(await failureOf(backUp(connectionTo(older), upon))).toMatchObject({ code: 'backup_type_unsupported', retryable: false });
  });
});
