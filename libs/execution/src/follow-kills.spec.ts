import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FollowEvidence, type LogPosition, lsnOf, type RunSpec, type SerializedRahatError } from '@rahat/contracts';
import { NumberedWriters, type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import { executeRun, type LogCommitted, startThrowawayServer } from './index.js';
import { mergeRanges } from './offline-logs.js';
import { connectionTo, createGrantedRepository, type GrantedRepository, RUN_CHILD, runHead, runOptions } from './testing/run-parts.js';

const KILLS = 6;
const stream = 'stream_kills';
let folder: string;
let server: PostgresqlServer;
let granted: GrantedRepository;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-follow-kills-'));
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on', wal_level: 'replica', synchronous_commit: 'on' } });
  granted = await createGrantedRepository(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const secretsWith = (power: 'write-only' | 'read') => granted.secrets(power, connectionTo(server));

type Told = { committed: LogCommitted } | { evidence: FollowEvidence } | { error: SerializedRahatError };

class FollowerProcess {
  private ended?: Exclude<Told, { committed: LogCommitted }>;
  private readonly child: ChildProcess;

  constructor(from: LogPosition | undefined, onCommitted: (committed: LogCommitted) => void) {
    const spec: RunSpec = { ...runHead(), type: 'follow', stream, slot: 'rhb_kills', commitSeconds: 0.2, heartbeatSeconds: 1, from };
    this.child = fork(RUN_CHILD, [], { execArgv: ['--max-old-space-size=192'] });
    this.child.on('message', (told: Told) => {
      if ('committed' in told) onCommitted(told.committed);
      else this.ended = told;
    });
    this.child.send({ spec, secrets: secretsWith('write-only'), scratchFolder: folder });
  }

  /** Whether the scheduler would make another attempt of it; throws where it would not. */
  get toBeRetried(): boolean {
    if (this.ended === undefined) return false;
    if ('error' in this.ended && this.ended.error.retryable) return true;
    throw new Error(`The follower ended with ${JSON.stringify(this.ended)}`);
  }

  async kill9(): Promise<void> {
    const exited = once(this.child, 'exit');
    if (this.child.exitCode !== null || !this.child.kill('SIGKILL')) return;
    await exited;
  }

  async stop(): Promise<FollowEvidence> {
    const exited = once(this.child, 'exit');
    this.child.send('stop');
    await exited;
    if (this.ended && 'evidence' in this.ended) return this.ended.evidence;
    throw new Error(`The follower ended with ${JSON.stringify(this.ended)}`);
  }
}

it('loses no acknowledged row, and restores none of later, whenever the follower is killed and the server restarted', async () => {
  let position: LogPosition | undefined;
  let former: LogPosition | undefined;
  const note = ({ range }: LogCommitted) => {
    former = position;
    position = { timeline: range.timeline, lsn: range.end };
  };
  let follower = new FollowerProcess(undefined, note);
  const committed = async (atLeast?: string) => {
    const deadline = Date.now() + 60_000;
    const begun = position?.lsn ?? '0/0';
    while (lsnOf(position?.lsn ?? '0/0') < (atLeast === undefined ? lsnOf(begun) + 1n : lsnOf(atLeast))) {
      if (Date.now() > deadline) throw new Error('Nothing was committed for a minute');
      if (follower.toBeRetried) follower = new FollowerProcess(position, note);
      await delay(50);
    }
  };
  await committed();
  const writers = await NumberedWriters.start(() => server.connect(), 4);
  const snapshot = randomBytes(16).toString('hex');
  await executeRun(
    { ...runHead(), type: 'backup', method: 'postgresql.physical', snapshot, deep: false },
    secretsWith('write-only'),
    runOptions(folder),
  );
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(Math.random() * 1_000);
    await follower.kill9();
    if (kill === 2) await server.restart();
    // What the ledger knows may be older than what is in the repository.
    follower = new FollowerProcess(kill % 2 === 0 ? position : former, note);
    if (kill === 4) {
      await delay(500);
      await server.kill9();
      await server.restart();
    }
    await committed();
  }
  await writers.stop();
  const [row] = await server.query<{ position: string }>('SELECT pg_current_wal_insert_lsn()::text AS position');
  await committed(row!.position);
  expect(await follower.stop()).toMatchObject({ end: { reason: 'stopped', position } });

  const listed = await Array.fromAsync(granted.repository.logs({ stream }));
  const ranges = listed.flatMap((log) => (log.ok ? [log.manifest.range] : []));
  expect(ranges).toHaveLength(listed.length);
  expect(mergeRanges(ranges)).toHaveLength(1);

  for (const share of [0.4, 0.7 + Math.random() / 5]) {
    const moment = writers.momentAt(share);
    const path = join(folder, `restored-${share}`);
    await executeRun(
      {
        ...runHead(),
        type: 'restore',
        snapshot,
        target: { kind: 'folder', path },
        intoExisting: false,
        noOwner: false,
        noAcl: false,
        recovery: { stream, target: { kind: 'time', time: new Date(moment).toISOString(), inclusive: true } },
      },
      secretsWith('read'),
      runOptions(folder),
    );
    await using restored = await startThrowawayServer({
      dataFolder: path,
      scratchFolder: folder,
      toolFolders: [],
      signal: new AbortController().signal,
    });
    const verdict = writers.judge(await NumberedWriters.read(restored.connection), moment);
    expect(verdict).toMatchObject({ missing: [], tooNew: [] });
    expect(verdict.expected).toBeGreaterThan(10);
  }
}, 300_000);
