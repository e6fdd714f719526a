import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { checkBaseBackup } from './check-base-backup.js';
import { restoreBaseBackupToFolder } from './restore-to-folder.js';
import { takeBaseBackup } from './take-base-backup.js';
import { ArtifactsInMemory, backUp, connectionTo, failureOf, physicalRequest, quietJob } from './test-parts.js';
import { testRestoreBaseBackup } from './test-restore.js';

let scratchFolder: string;
let server: PostgresqlServer;
let whole: ArtifactsInMemory;

beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-physical-spec-'));
  server = await startPostgresql({ major: 18 });
  await server.query('CREATE TABLE orders AS SELECT i, md5(i::text) AS note FROM generate_series(1, 50000) AS i');
  whole = await backUp(connectionTo(server));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(scratchFolder, { recursive: true, force: true });
});

function take(changed: Partial<PostgresqlConnection> = {}, sink = new ArtifactsInMemory(), job = quietJob): Promise<unknown> {
  return takeBaseBackup(connectionTo(server, changed), physicalRequest, sink, job);
}

function copyOfWhole(): ArtifactsInMemory {
  const copy = new ArtifactsInMemory();
  copy.artifacts = [...whole.artifacts];
  copy.facts = whole.facts;
  for (const [key, bytes] of whole.bytes) copy.bytes.set(key, Buffer.from(bytes));
  return copy;
}

async function withAccessRules(lines: string, work: () => Promise<void>): Promise<void> {
  const path = join(server.dataFolder, 'pg_hba.conf');
  const before = await readFile(path, 'utf8');
  try {
    await writeFile(path, lines + before);
    await server.query('SELECT pg_reload_conf()');
    await sleep(200);
    await work();
  } finally {
    await writeFile(path, before);
    await server.query('SELECT pg_reload_conf()');
  }
}

describe('taking a base backup', () => {
  it('names a wrong password', async () => {
    const error = await failureOf(take({ password: 'a guess' }));
    expect(error).toMatchObject({ code: 'source_authentication_failed', retryable: false });
    expect(JSON.stringify(error)).not.toContain('a guess');
  });

  it('gives the grant that a role without REPLICATION lacks', async () => {
    await server.query(`CREATE ROLE "plain ""user""" LOGIN PASSWORD 'secret'`);
    const error = await failureOf(take({ user: 'plain "user"', password: 'secret' }));
    expect(error).toMatchObject({
      code: 'source_permission_denied',
      hint: expect.stringContaining('ALTER ROLE "plain ""user""" REPLICATION;'),
    });
  });

  it('works with REPLICATION alone', async () => {
    await server.query(`CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'secret'`);
    expect(await take({ user: 'replicator', password: 'secret' })).toMatchObject({ evidence: { trailerSeen: true } });
  });

  it('gives the line that pg_hba.conf lacks', async () => {
    await withAccessRules('host replication all 127.0.0.1/32 reject\n', async () => {
      const error = await failureOf(take());
      expect(error).toMatchObject({ code: 'source_permission_denied', hint: expect.stringContaining('host replication') });
    });
  });

  it('logs in by md5, and never sends a clear password over a plain connection', async () => {
    const md5Role = `SET password_encryption = md5; CREATE ROLE old LOGIN REPLICATION PASSWORD 'secret'`;
    await server.query(md5Role);
    await withAccessRules('host replication old 127.0.0.1/32 md5\nhost replication postgres 127.0.0.1/32 password\n', async () => {
      expect(await take({ user: 'old', password: 'secret' })).toMatchObject({ evidence: { trailerSeen: true } });
      expect(await failureOf(take())).toMatchObject({
        code: 'source_authentication_failed',
        message: expect.stringContaining('clear text'),
      });
    });
  });

  it('says so when nothing listens', async () => {
    expect(await failureOf(take({ port: 1 }))).toMatchObject({ code: 'source_unreachable', retryable: true });
  });

  it('makes the server wait for a slow sink, instead of gathering bytes', async () => {
    const sink = new ArtifactsInMemory();
    let [pieces, taken, ahead] = [0, 0, 0];
    sink.onPiece = async () => {
      if (++pieces !== 100) return;
      await sleep(400);
      const [row] = await server.query<{ sent: string }>('SELECT backup_streamed AS sent FROM pg_stat_progress_basebackup');
      taken = [...sink.bytes.values()].reduce((sum, bytes) => sum + bytes.length, 0);
      ahead = Number(row?.sent) - taken;
    };
    await take({}, sink);
    // Socket buffers of both sides; the whole backup is several times larger.
    expect(ahead).toBeLessThan(12 << 20);
    expect([...sink.bytes.values()].reduce((sum, bytes) => sum + bytes.length, 0)).toBeGreaterThan(taken + (24 << 20));
  });

  it('is whole when the server switches to new log segments in the middle', async () => {
    const sink = new ArtifactsInMemory();
    let pieces = 0;
    sink.onPiece = async () => {
      if (++pieces === 100) await server.query('SELECT pg_switch_wal()');
    };
    await take({}, sink);
    expect(sink.artifacts.filter(({ kind }) => kind === 'log').length).toBeGreaterThan(1);
  });

  it('fails when the server is killed in the middle', async () => {
    await using victim = await startPostgresql({ major: 15 });
    const sink = new ArtifactsInMemory();
    let pieces = 0;
    sink.onPiece = async () => {
      if (++pieces === 100) await victim.kill9();
    };
    const error = await failureOf(takeBaseBackup(connectionTo(victim), physicalRequest, sink, quietJob));
    expect(error).toMatchObject({ code: 'source_lost', retryable: true });
  });

  it('ends its session and slot when it is cancelled', async () => {
    const controller = new AbortController();
    const sink = new ArtifactsInMemory();
    let pieces = 0;
    sink.onPiece = () => {
      if (++pieces === 100) controller.abort();
    };
    expect(await failureOf(take({}, sink, { ...quietJob, signal: controller.signal }))).toMatchObject({ code: 'cancelled' });
    let left: unknown[] = [];
    for (let attempt = 0; attempt < 50; attempt++) {
      left = await server.query(`SELECT application_name FROM pg_stat_replication UNION ALL SELECT slot_name FROM pg_replication_slots`);
      if (left.length === 0) break;
      await sleep(100);
    }
    expect(left).toEqual([]);
  });

  it('fails when a file was stored with other bytes than the server sent', async () => {
    const sink = new ArtifactsInMemory();
    const write = sink.write.bind(sink);
    sink.write = async (description, body) => {
      const artifact = await write(description, body);
      return description.key === 'base/PG_VERSION' ? { ...artifact, sha256: 'f'.repeat(64) } : artifact;
    };
    expect(await failureOf(take({}, sink))).toMatchObject({ code: 'dump_invalid', message: expect.stringContaining('PG_VERSION') });
  });

  it('is refused by a server that finds a damaged page in its own files', async () => {
    await using damaged = await startPostgresql({ major: 18 });
    await damaged.query('CREATE TABLE t AS SELECT i FROM generate_series(1, 5000) AS i; CHECKPOINT');
    const [row] = await damaged.query<{ path: string }>(`SELECT pg_relation_filepath('t') AS path`);
    const path = join(damaged.dataFolder, row?.path ?? '');
    const bytes = await readFile(path);
    bytes[9000] = (bytes[9000] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
    const error = await failureOf(takeBaseBackup(connectionTo(damaged), physicalRequest, new ArtifactsInMemory(), quietJob));
    expect(error).toMatchObject({ code: 'dump_invalid', message: expect.stringContaining('checksum') });
  });
});

describe('a damaged base backup', () => {
  const relation = /^base\/base\/\d+\/2619$/;

  it.each([
    [
      'a flipped bit in a table',
      (backup: ArtifactsInMemory) => backup.flipByte(backup.artifacts.find(({ key }) => relation.test(key))?.key ?? '', 5000),
    ],
    ['a missing file', (backup: ArtifactsInMemory) => backup.drop('base/global/pg_control')],
    ['a flipped bit in the manifest', (backup: ArtifactsInMemory) => backup.flipByte('backup_manifest', 400)],
  ])('is found by the check and never restored: %s', async (_name, damage) => {
    const backup = copyOfWhole();
    damage(backup);
    const target = join(scratchFolder, 'damaged');
    const found = await checkBaseBackup(backup, quietJob).then(
      ({ findings }) => findings.map(({ severity, code }) => `${severity} ${code}`),
      (error: unknown) => [RahatError.from(error).code],
    );
    expect(found).toEqual([expect.stringMatching(/^(blocker content_damaged|dump_invalid|dump_truncated)$/)]);
    const codes = expect.stringMatching(/^(restore_mismatch|dump_invalid|dump_truncated)$/);
    expect(await failureOf(restoreBaseBackupToFolder(backup, target, quietJob))).toMatchObject({ code: codes });
    expect(await stat(target).catch(() => 'absent')).toBe('absent');
    expect(
      await failureOf(testRestoreBaseBackup(backup, { scratchFolder, toolFolders: [], signal: quietJob.signal }, quietJob)),
    ).toMatchObject({ code: codes });
    expect((await readdir(scratchFolder)).filter((name) => name.startsWith('rhb_t_'))).toEqual([]);
  });

  it('cannot lead a restore out of its folder', async () => {
    const evil = copyOfWhole();
    await evil.write({ key: 'base/pg_wal/../../../evil', kind: 'file', order: 1, class: 'small' }, Readable.from([Buffer.from('evil')]));
    const outside = copyOfWhole();
    const facts = outside.bytes.get('facts')?.toString('utf8') ?? '';
    outside.bytes.set('facts', Buffer.from(facts.replace('"folders":{', '"folders":{"../evil":[448,0],')));
    for (const backup of [evil, outside]) {
      expect(await failureOf(restoreBaseBackupToFolder(backup, join(scratchFolder, 'caged'), quietJob))).toMatchObject({
        code: 'dump_invalid',
      });
    }
    expect((await readdir(scratchFolder)).filter((name) => name.includes('evil'))).toEqual([]);
  });

  it('is found when its log lacks a segment, or holds an older one under that name', async () => {
    const segment = /^base\/pg_wal\/[0-9A-F]{24}$/;
    const lacking = copyOfWhole();
    lacking.drop(lacking.artifacts.find(({ key }) => segment.test(key))?.key ?? '');
    expect((await checkBaseBackup(lacking, quietJob)).findings).toMatchObject([
      { object: 'pg_wal', message: expect.stringContaining('lacks the log') },
    ]);

    const recycled = copyOfWhole();
    const artifact = recycled.artifacts.find(({ key }) => segment.test(key));
    recycled.flipByte(artifact?.key ?? '', 10);
    const messages = (await checkBaseBackup(recycled, quietJob)).findings.map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('lacks the log'));
  });
});

describe('a restore to a folder', () => {
  it('lets a folder with content alone', async () => {
    const target = join(scratchFolder, 'in use');
    await mkdir(target);
    await writeFile(join(target, 'mine'), 'kept');
    expect(await failureOf(restoreBaseBackupToFolder(whole, target, quietJob))).toMatchObject({ code: 'restore_target_exists' });
    expect(await readdir(target)).toEqual(['mine']);
  });

  it('fills an empty one, keeps modes and times, and takes the copy away from its source’s archive and peers', async () => {
    const target = join(scratchFolder, 'new home');
    await mkdir(target);
    await mkdir(`${target}.rhb-partial`);
    await writeFile(join(`${target}.rhb-partial`, 'left by a broken attempt'), '');
    await restoreBaseBackupToFolder(whole, target, quietJob);
    expect((await stat(target)).mode & 0o7777).toBe(0o700);
    const [source, copy] = await Promise.all([stat(join(server.dataFolder, 'PG_VERSION')), stat(join(target, 'PG_VERSION'))]);
    expect([copy.mode, Math.floor(copy.mtimeMs / 1000)]).toEqual([source.mode, Math.floor(source.mtimeMs / 1000)]);
    expect(await readFile(join(target, 'postgresql.auto.conf'), 'utf8')).toContain("archive_mode = 'off'");
    const names = await readdir(target);
    expect(names).toEqual(expect.arrayContaining(['backup_label', 'backup_manifest', 'pg_notify', 'pg_replslot']));
    expect(names).not.toContain('left by a broken attempt');
    expect(await readdir(scratchFolder)).not.toContain('new home.rhb-partial');
  });
});
