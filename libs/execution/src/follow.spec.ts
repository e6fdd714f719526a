import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type FollowEvidence,
  lsnOf,
  type PostgresqlConnection,
  type RecoveryTarget,
  type RestoreEvidence,
  type RunSecrets,
  type RunSpec,
  type VerificationEvidence,
} from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { startPostgresql } from '@rahat/test-servers';
import { dropSlot, executeRun, type ExecutionOptions, type LogCommitted, openOfflineRepository } from './index.js';
import { connectionTo, createGrantedRepository, PASSPHRASE, runHead, runOptions } from './testing/run-parts.js';

let server: Awaited<ReturnType<typeof startPostgresql>>;
let connection: PostgresqlConnection;
beforeAll(async () => {
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on', wal_level: 'replica' } });
  connection = connectionTo(server);
});
afterAll(() => server.stop());

let folder: string;
let repository: Repository;
let secrets: Record<'write-only' | 'read', RunSecrets>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-follow-'));
  const granted = await createGrantedRepository(folder);
  repository = granted.repository;
  secrets = { 'write-only': granted.secrets('write-only', connection), read: granted.secrets('read', connection) };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function options(signal = new AbortController().signal, committed: LogCommitted[] = []): ExecutionOptions {
  return runOptions(folder, { signal, onLogCommitted: (told) => committed.push(told) });
}

const stream = 'stream_0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee';
const followSpec = (from?: { timeline: number; lsn: string }): RunSpec => ({
  ...runHead(),
  type: 'follow',
  stream,
  slot: 'rhb_execution',
  commitSeconds: 0.2,
  heartbeatSeconds: 0,
  from,
});

function follow(committed: LogCommitted[], from?: { timeline: number; lsn: string }) {
  const stopping = new AbortController();
  const end = executeRun(followSpec(from), secrets['write-only'], options(stopping.signal, committed)) as Promise<FollowEvidence>;
  end.catch(() => undefined);
  return {
    async stop() {
      stopping.abort();
      return end;
    },
    async caughtUp() {
      const [row] = await server.query<{ position: string }>('SELECT pg_current_wal_insert_lsn()::text AS position');
      const deadline = Date.now() + 60_000;
      while (lsnOf(committed.at(-1)?.range.end ?? '0/0') < lsnOf(row!.position)) {
        if (Date.now() > deadline) throw new Error('The follower did not catch up');
        await Promise.race([delay(50), end.then((early) => Promise.reject(new Error(JSON.stringify(early))))]);
      }
    },
  };
}

describe('a followed log', () => {
  it('is stored by a credential that only writes, and brings a backup of the same repository to a moment of its own', async () => {
    const committed: LogCommitted[] = [];
    const first = follow(committed);
    await server.query('CREATE TABLE marks (i int)');
    await server.query('INSERT INTO marks VALUES (1)');
    await first.caughtUp();
    const snapshot = randomBytes(16).toString('hex');
    const spec: RunSpec = { ...runHead(), type: 'backup', method: 'postgresql.physical', snapshot, deep: false };
    await executeRun(spec, secrets['write-only'], options());
    await server.query('INSERT INTO marks VALUES (2)');
    await delay(30);
    const moment = new Date().toISOString();
    await delay(30);
    await first.caughtUp();
    const ended = await first.stop();
    expect(ended).toMatchObject({
      type: 'follow',
      stream,
      end: { reason: 'stopped', position: { timeline: 1, lsn: committed.at(-1)?.range.end } },
    });
    expect(ended.commits).toBe(committed.length);
    expect(ended.findings.map(({ code }) => code)).toEqual(['slot_keeps_without_limit']);

    await server.query(`INSERT INTO marks SELECT 3 FROM generate_series(1, 300000)`);
    const end = ended.end;
    const second = follow(committed, end.position);
    await second.caughtUp();
    await second.stop();
    for (const [index, { range }] of committed.entries()) if (index > 0) expect(range.start).toBe(committed[index - 1]?.range.end);
    const listed = await Array.fromAsync(repository.logs({ stream }));
    expect(listed.map((log) => log.ok && log.manifest.range)).toEqual(committed.map(({ range }) => range));
    // A few rows at a time are merged; a restore reads merged and single ones alike.
    await repository.collect();

    const target: RecoveryTarget = { kind: 'time', time: moment, inclusive: true };
    const verification: RunSpec = { ...runHead(), type: 'verification', level: 'FULL', snapshot, recovery: { stream, target } };
    const proof = (await executeRun(verification, secrets.read, options())) as VerificationEvidence;
    expect(proof.findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    expect(proof.tablesRead?.find(({ table }) => table === 'marks')?.rows).toBe(2);
    expect(proof.recovery).toMatchObject({ target, timeline: 1 });
    expect(Date.parse(proof.recovery?.lastTransactionAt ?? '')).toBeLessThanOrEqual(Date.parse(moment));

    const whole = { ...verification, recovery: { stream, target: { kind: 'end' as const } } };
    const last = (await executeRun(whole, secrets.read, options())) as VerificationEvidence;
    expect(last.tablesRead?.find(({ table }) => table === 'marks')?.rows).toBe(300_002);

    const path = join(folder, 'restored');
    const restore: RunSpec = {
      ...runHead(),
      type: 'restore',
      snapshot,
      target: { kind: 'folder', path },
      intoExisting: false,
      noOwner: false,
      noAcl: false,
      recovery: { stream, target },
    };
    const restored = (await executeRun(restore, secrets.read, options())) as RestoreEvidence;
    expect(restored.recovery).toEqual({ target, timeline: 1 });
    expect(await readdir(path)).toContain('recovery.signal');
    expect(await readFile(join(path, 'postgresql.auto.conf'), 'utf8')).toContain('recovery_target_time');

    const offline = await openOfflineRepository(join(folder, 'storage', 'main'), { type: 'passphrase', passphrase: PASSPHRASE });
    const { start } = committed[0]!.range;
    expect(await offline.logs()).toMatchObject([
      { stream, server: { name: 'shop server' }, windows: [{ timeline: 1, start, end: committed.at(-1)?.range.end }], damage: [] },
    ]);
    const alone = await offline.restore({
      snapshot: 'latest',
      target: { kind: 'folder', path: join(folder, 'offline') },
      recovery: { target: { kind: 'end' } },
    });
    expect(alone).toMatchObject({ recovery: { target: { kind: 'end' }, timeline: 1 } });
    expect(alone.findings.map(({ code }) => code)).toContain('recovery_prepared');

    // Taken away, the log is a gap, and the moment is refused before anything is touched.
    for await (const log of repository.logs({ stream })) await repository.removeLog(stream, log);
    const refused = executeRun({ ...restore, target: { kind: 'folder', path: join(folder, 'refused') } }, secrets.read, options());
    await expect(refused).rejects.toMatchObject({ code: 'recovery_target_unreachable' });
    expect(await readdir(folder)).not.toContain('refused');
    expect(await offline.logs()).toEqual([]);

    const question = { signal: new AbortController().signal, toolFolders: [], scratchFolder: folder };
    expect(await dropSlot('postgresql', connection, 'rhb_execution', question)).toEqual({ dropped: true });
    expect(await dropSlot('postgresql', connection, 'rhb_execution', question)).toEqual({ dropped: false });
  }, 240_000);

  it('goes on behind what an earlier attempt committed unheard, although the source has let go of that log', async () => {
    const committed: LogCommitted[] = [];
    const first = follow(committed);
    await server.query('CREATE TABLE unheard (i int)');
    await first.caughtUp();
    const heard = { timeline: 1, lsn: committed[0]!.range.end };
    // Segments go when a checkpoint finds that nobody needs them: the slot was told that all is committed.
    for (let segment = 0; segment < 4; segment++) {
      await server.query('SELECT pg_switch_wal()');
      await server.query('INSERT INTO unheard VALUES (1)');
      await first.caughtUp();
      await server.query('CHECKPOINT');
    }
    await first.stop();
    const file = `SELECT count(*)::int AS there FROM pg_ls_waldir() WHERE name = pg_walfile_name('${heard.lsn}')`;
    expect(await server.query(file)).toEqual([{ there: 0 }]);

    const told: LogCommitted[] = [];
    const second = follow(told, heard);
    await server.query('INSERT INTO unheard VALUES (2)');
    await second.caughtUp();
    expect((await second.stop()).end.reason).toBe('stopped');
    expect(told[0]!.range.start).toBe(heard.lsn);
    for (const [index, { range }] of told.entries()) if (index > 0) expect(range.start).toBe(told[index - 1]!.range.end);
    const { range } = committed.at(-1)!;
    expect(told.map((one) => one.range.end)).toContain(range.end);
    const question = { signal: new AbortController().signal, toolFolders: [], scratchFolder: folder };
    await dropSlot('postgresql', connection, 'rhb_execution', question);
  }, 120_000);
});
