import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPgClients, hasPgClients, hasPostgresql, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { LogInMemory, caughtUp, startFollower, toolFoldersOf } from '../wal/test-parts.js';
import { readFacts } from './base-backup-layout.js';
import { checkBaseBackup } from './check-base-backup.js';
import { readBack } from './read-back.js';
import { writeDataFolder } from './restore-to-folder.js';
import { type ArtifactsInMemory, backUp, connectionTo, quietJob } from './test-parts.js';
import { testRestoreBaseBackup } from './test-restore.js';

const run = promisify(execFile);
const { signal } = quietJob;
let scratchFolder: string;
beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-incremental-spec-'));
});
afterAll(() => rm(scratchFolder, { recursive: true, force: true }));

async function startSource(major: 17 | 18): Promise<PostgresqlServer> {
  const server = await startPostgresql({
    major,
    settings: { full_page_writes: 'on', wal_level: 'replica', summarize_wal: 'on', autovacuum: 'off' },
  });
  const place = join(server.dataFolder, '..', 'elsewhere');
  mkdirSync(place);
  const { uid, gid } = statSync(server.dataFolder);
  chownSync(place, uid, gid);
  await server.query(`CREATE TABLESPACE elsewhere LOCATION '${place}'`);
  for (const sql of [
    `CREATE TABLE orders AS SELECT i, repeat(md5(i::text), 4) AS note FROM generate_series(1, 40000) AS i; CREATE INDEX ON orders (i)`,
    `CREATE TABLE apart TABLESPACE elsewhere AS SELECT i, repeat('x', 100) AS note FROM generate_series(1, 10000) AS i`,
    `CREATE TABLE doomed AS SELECT i FROM generate_series(1, 5000) AS i`,
    `CREATE TABLE emptied AS SELECT i FROM generate_series(1, 5000) AS i`,
    `CREATE TABLE shrinking AS SELECT i, repeat('y', 500) AS note FROM generate_series(1, 5000) AS i`,
    `CREATE TABLE rewritten AS SELECT i, repeat('z', 200) AS note FROM generate_series(1, 5000) AS i`,
  ])
    await server.query(sql);
  // Else the first look at each row writes a hint into its page, and all pages have changed.
  await server.query('VACUUM FREEZE');
  return server;
}

/** What changes between two backups, a kind of change of a relation's files each. */
const CHANGES = [
  [
    `UPDATE orders SET note = 'changed' WHERE i % 4000 = 7`,
    `INSERT INTO apart SELECT i, 'new' FROM generate_series(10001, 10100) AS i`,
    'DROP TABLE doomed',
    'TRUNCATE emptied; INSERT INTO emptied VALUES (1)',
    'CREATE TABLE made AS SELECT i FROM generate_series(1, 3000) AS i',
    'CREATE DATABASE added',
  ],
  [
    `UPDATE orders SET note = 'again' WHERE i BETWEEN 8 AND 12; DELETE FROM orders WHERE i = 4007`,
    'DELETE FROM shrinking WHERE i > 100',
    'VACUUM shrinking',
    'DELETE FROM rewritten WHERE i % 2 = 0',
    'VACUUM FULL rewritten',
    `UPDATE made SET i = -i WHERE i = 5; UPDATE apart SET note = 'moved' WHERE i = 3`,
  ],
] as const;

async function change(server: PostgresqlServer, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await server.query(statement);
}

/** Every table with its rows' hash, as the source has them right now. */
async function tablesOf(server: PostgresqlServer) {
  const context = { scratchFolder, toolFolders: [], signal };
  return (await readBack({ connection: connectionTo(server), major: server.major }, context, quietJob)).tables;
}

describe.each([17, 18] as const)('incremental and differential backups of PostgreSQL %i', (major) => {
  const context = () => ({ scratchFolder, toolFolders: toolFoldersOf(major), signal });
  (hasPostgresql(major) ? it : it.skip)(
    'hold what changed, and restore to what the source had at each of them',
    async () => {
      await using server = await startSource(major);
      const source = connectionTo(server);
      const full = await backUp(source);
      await change(server, CHANGES[0]);
      const first = await backUp(source, { type: 'incremental', parent: full });
      const afterFirst = await tablesOf(server);
      await change(server, CHANGES[1]);
      const second = await backUp(source, { type: 'incremental', parent: first });
      const differential = await backUp(source, { type: 'differential', parent: full });
      const afterSecond = await tablesOf(server);

      expect([full, first, second, differential].map(({ facts }) => facts.label)).toEqual([
        'full · space-incremental',
        'incremental (native)',
        'incremental (native)',
        'differential (native)',
      ]);
      const [orders] = await server.query<{ path: string }>(
        `SELECT regexp_replace(pg_relation_filepath('orders'), '([0-9]+)$', 'INCREMENTAL.\\1') AS path`,
      );
      for (const { artifacts } of [first, second, differential]) {
        const changed = artifacts.find(({ key }) => key === `base/${orders!.path}`);
        expect(changed?.sizeBytes).toBeGreaterThan(2 * 8192);
        expect(changed?.sizeBytes).toBeLessThan(50 * 8192);
      }
      const sizeOf = ({ artifacts }: ArtifactsInMemory) =>
        artifacts.filter(({ kind }) => kind === 'file').reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      expect(sizeOf(second)).toBeLessThan(sizeOf(full) / 2);

      for (const [backup, expected] of [
        ...(major === 18 ? [[first, afterFirst] as const] : []),
        [second, afterSecond] as const,
        [differential, afterSecond] as const,
      ]) {
        expect((await checkBaseBackup(backup, quietJob)).findings).toEqual([]);
        const proof = await testRestoreBaseBackup(backup, context(), quietJob);
        expect(proof.findings.map(({ code }) => code)).toEqual(['structure_checked', 'read_back']);
        expect(proof.tablesRead).toEqual(expected);
      }
      if (major === 18 && hasPgClients(18)) await expectSameAsOwnTool([second, first, full]);
    },
    180_000,
  );
});

/** Byte for byte what PostgreSQL's own tool makes of the same links, and its own pg_verifybackup agrees with the manifest. */
async function expectSameAsOwnTool(newestFirst: ArtifactsInMemory[]): Promise<void> {
  const bin = findPgClients(18)!.folder;
  const [newest] = newestFirst;
  const ours = join(scratchFolder, 'ours');
  await writeDataFolder(newest!, { folder: ours, finalFolder: ours, durable: true }, quietJob);
  const { stdout } = await run(join(bin, 'pg_verifybackup'), [
    '-n',
    '--ignore=tablespace_map',
    '--ignore=pg_tblspc',
    '--ignore=pg_tblspc_restored',
    ours,
  ]).catch((error: { stdout: string; stderr: string }) => ({ stdout: `${error.stdout} ${error.stderr}` }));
  const links = await Promise.all(newestFirst.map((backup, index) => writeLink(backup, join(scratchFolder, `link ${index}`))));
  const theirs = join(scratchFolder, 'theirs');
  const { tablespaces } = await readFacts(newest!);
  const mapping = tablespaces.map(
    ({ oid }) =>
      `--tablespace-mapping=${join(links[0]!, '..', 'link 0 tablespaces', oid)}=${join(scratchFolder, 'their tablespaces', oid)}`,
  );
  await run(join(bin, 'pg_combinebackup'), [...links.toReversed(), '-o', theirs, '--manifest-checksums=SHA256', ...mapping]);

  const [ourFiles, theirFiles] = await Promise.all([filesBelow(ours), filesBelow(theirs)]);
  for (const { oid } of tablespaces) {
    for (const [path, hash] of await filesBelow(join(scratchFolder, 'their tablespaces', oid)))
      theirFiles.set(`pg_tblspc_restored/${oid}/${path}`, hash);
  }
  // Where tablespaces lie is told anew by each.
  for (const files of [ourFiles, theirFiles]) for (const name of ['tablespace_map', 'backup_manifest']) files.delete(name);
  expect(Object.fromEntries(ourFiles)).toEqual(Object.fromEntries(theirFiles));
  expect(await filesTold(ours)).toEqual(await filesTold(theirs));
  expect(stdout).toContain('backup successfully verified');
}

/** Path, size and hash of each, as a manifest tells them; of the log's folder the tool tells states, which say nothing of the content. */
async function filesTold(folder: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(folder, 'backup_manifest'), 'utf8')) as {
    Files: { Path: string; Size: number; Checksum: string }[];
  };
  const told = manifest.Files.filter(({ Path }) => !Path.startsWith('pg_wal/') && Path !== 'tablespace_map');
  return told.map(({ Path, Size, Checksum }) => `${Path} ${Size} ${Checksum}`).sort();
}

/** A link as a plain folder, as pg_combinebackup takes it. */
async function writeLink(backup: ArtifactsInMemory, folder: string): Promise<string> {
  const facts = await readFacts(backup);
  const place = (path: string) => {
    const tablespace = /^pg_tblspc\/(\d+)\/(.*)$/.exec(path);
    return tablespace ? join(`${folder} tablespaces`, tablespace[1]!, tablespace[2]!) : join(folder, path);
  };
  for (const path of Object.keys(facts.folders)) await mkdir(place(path), { recursive: true, mode: 0o700 });
  for (const { oid } of facts.tablespaces) {
    await mkdir(join(`${folder} tablespaces`, oid), { recursive: true, mode: 0o700 });
    await symlink(join(`${folder} tablespaces`, oid), join(folder, 'pg_tblspc', oid));
  }
  for (const artifact of backup.artifacts) {
    if (artifact.key === 'facts') continue;
    const tablespace = /^tablespace\/(.*)$/.exec(artifact.key)?.[1];
    const path = place(tablespace === undefined ? artifact.key.replace(/^base\//, '') : `pg_tblspc/${tablespace}`);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    await backup.readInto(artifact, file).finally(() => file.close());
  }
  return folder;
}

async function filesBelow(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(
      relative(folder, path),
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    );
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe('an incremental backup with the log that follows it', () => {
  (hasPostgresql(18) ? it : it.skip)(
    'is recovered to a moment after it',
    async () => {
      await using server = await startSource(18);
      const source = connectionTo(server);
      const log = new LogInMemory();
      await using follower = startFollower(source, log);
      const full = await backUp(source);
      await change(server, CHANGES[0]);
      const incremental = await backUp(source, { type: 'incremental', parent: full });
      await server.query('CREATE TABLE late AS SELECT i FROM generate_series(1, 10) AS i');
      const expected = await tablesOf(server);
      const [moment] = await server.query<{ at: string }>(
        `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
      );
      await server.query('DELETE FROM orders');
      await caughtUp(server, log, follower);
      await follower.stop();
      const recovery = { target: { kind: 'time' as const, time: moment!.at, inclusive: true }, log };
      const proof = await testRestoreBaseBackup(incremental, { scratchFolder, toolFolders: [], signal }, quietJob, [], recovery);
      expect(proof.tablesRead).toEqual(expected);
    },
    120_000,
  );
});
