import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openBlobStore } from '@rahat/blob-store-registry';
import { type FollowEvidence, type LogPosition, newId, type RunSecrets, type RunSpec } from '@rahat/contracts';
import { createRepository, grantCredential, type Repository } from '@rahat/repository';
import { NumberedWriters, type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import { executeRun, type ExecutionOptions, type LogCommitted, startThrowawayServer } from './index.js';
import { lsnOf } from './log-objects.js';
import { mergeRanges } from './offline-logs.js';

const KILLS = 6;
const stream = 'stream_kills';
let folder: string;
let server: PostgresqlServer;
let repository: Repository;
let secretsWith: (power: 'write-only' | 'read') => RunSecrets;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-follow-kills-'));
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on', wal_level: 'replica', synchronous_commit: 'on' } });
  const storage = { driver: 'local' as const, path: join(folder, 'storage') };
  repository = await createRepository(await openBlobStore(storage, 'main'), { passphrase: 'correct horse battery' });
  const { host, port, user, password } = server;
  secretsWith = (power) => ({
    source: { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'prefer' },
    repositories: [
      {
        repositoryId: repository.id,
        storage,
        prefix: 'main',
        credential: grantCredential(power, repository.id, repository.exportSecrets()),
      },
    ],
  });
  await writeFile(
    join(folder, 'child.mjs'),
    `import { executeRun } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))};
     process.once('message', async ({ spec, secrets, scratchFolder }) => {
       const stopping = new AbortController();
       process.once('message', () => stopping.abort());
       const options = { signal: stopping.signal, onProgress() {}, onLog() {}, onLogCommitted: (committed) => process.send({ committed }), toolFolders: [], scratchFolder, workerName: 'worker-1' };
       const outcome = await executeRun(spec, secrets, options).then((evidence) => ({ evidence }), (error) => ({ error: String(error) }));
       process.send(outcome, () => process.disconnect());
     });`,
  );
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const options = (): ExecutionOptions => ({
  signal: new AbortController().signal,
  onProgress: () => undefined,
  onLog: () => undefined,
  toolFolders: [],
  scratchFolder: folder,
  workerName: 'worker-1',
});
const head = () => ({
  version: 1 as const,
  run: newId('run'),
  attempt: 1,
  organization: 'org_1',
  engine: 'postgresql' as const,
  server: { id: 'server_1', name: 'shop server' },
  deadline: new Date(Date.now() + 3_600_000).toISOString(),
  noProgressSeconds: 900,
  sealedSecrets: '',
  repository: 'repository_1',
});

type Told = { committed: LogCommitted } | { evidence: FollowEvidence } | { error: string };

class FollowerProcess {
  failure?: string;
  evidence?: FollowEvidence;
  private readonly child: ChildProcess;

  constructor(from: LogPosition | undefined, onCommitted: (committed: LogCommitted) => void) {
    const spec: RunSpec = { ...head(), type: 'follow', stream, slot: 'rhb_kills', commitSeconds: 0.2, heartbeatSeconds: 1, from };
    this.child = fork(join(folder, 'child.mjs'), [], { execArgv: ['--max-old-space-size=192'] });
    this.child.on('message', (told: Told) => {
      if ('committed' in told) onCommitted(told.committed);
      else if ('evidence' in told) this.evidence = told.evidence;
      else this.failure = told.error;
    });
    this.child.send({ spec, secrets: secretsWith('write-only'), scratchFolder: folder });
  }

  async kill9(): Promise<void> {
    if (this.failure !== undefined || this.evidence) throw new Error(this.failure ?? JSON.stringify(this.evidence));
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<FollowEvidence> {
    const exited = once(this.child, 'exit');
    this.child.send('stop');
    await exited;
    if (!this.evidence) throw new Error(this.failure ?? 'The follower ended without a word');
    return this.evidence;
  }
}

it('loses no acknowledged row, and restores none of later, whenever the follower is killed and the server restarted', async () => {
  let position: LogPosition | undefined;
  let former: LogPosition | undefined;
  const note = ({ range }: LogCommitted) => {
    former = position;
    position = { timeline: range.timeline, lsn: range.end };
  };
  const committed = async (atLeast?: string) => {
    const deadline = Date.now() + 60_000;
    const begun = position?.lsn ?? '0/0';
    while (lsnOf(position?.lsn ?? '0/0') < (atLeast === undefined ? lsnOf(begun) + 1n : lsnOf(atLeast))) {
      if (Date.now() > deadline) throw new Error('Nothing was committed for a minute');
      await delay(50);
    }
  };
  let follower = new FollowerProcess(undefined, note);
  await committed();
  const writers = await NumberedWriters.start(() => server.connect(), 4);
  const snapshot = randomBytes(16).toString('hex');
  await executeRun(
    { ...head(), type: 'backup', method: 'postgresql.physical', snapshot, deep: false },
    secretsWith('write-only'),
    options(),
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

  const listed = await Array.fromAsync(repository.logs({ stream }));
  const ranges = listed.flatMap((log) => (log.ok ? [log.manifest.range] : []));
  expect(ranges).toHaveLength(listed.length);
  expect(mergeRanges(ranges)).toHaveLength(1);

  for (const share of [0.4, 0.7 + Math.random() / 5]) {
    const moment = writers.momentAt(share);
    const path = join(folder, `restored-${share}`);
    await executeRun(
      {
        ...head(),
        type: 'restore',
        snapshot,
        target: { kind: 'folder', path },
        intoExisting: false,
        noOwner: false,
        noAcl: false,
        recovery: { stream, target: { kind: 'time', time: new Date(moment).toISOString(), inclusive: true } },
      },
      secretsWith('read'),
      options(),
    );
    await using restored = await startThrowawayServer({
      dataFolder: path,
      scratchFolder: folder,
      toolFolders: [],
      signal: options().signal,
    });
    const verdict = writers.judge(await NumberedWriters.read(restored.connection), moment);
    expect(verdict).toMatchObject({ missing: [], tooNew: [] });
    expect(verdict.expected).toBeGreaterThan(10);
  }
}, 300_000);
