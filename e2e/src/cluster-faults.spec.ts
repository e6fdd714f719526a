import { randomInt } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  auditVerify,
  backupsList,
  plansCreate,
  plansRun,
  plansUpdate,
  runsList,
  serversUpdate,
  type CreatePlan,
  type Run,
} from '@rahat/api-client';
import { data } from '@rahat/demo';
import { startRedis, type RedisServer } from '@rahat/test-servers';
import { becomePatient, killProcess, processesOf, tellRedis, untilPostmaster } from './cluster.js';
import { installGate, type Gate } from './gate.js';
import { descendants, kill9 } from './processes.js';
import {
  backupsOf,
  snapshotsAtRest,
  offline,
  protect,
  readRun,
  startBackup,
  untilEnded,
  untilRun,
  type CheckReport,
  type Protection,
} from './protection.js';
import { CLUSTER, shapes } from './shapes.js';
import { mountSmallDisk, MOUNTS, type SmallDisk } from './small-disk.js';
import { layWire, type Wire } from './wire.js';
import { fillWithNoise, openWorld, readLogs, type World } from './world.js';

/** So many kills at random moments; 200 take a quarter of an hour. */
const KILLS = Number(process.env['RAHAT_E2E_KILLS'] ?? 6);
const DATABASES = ['one', 'two', 'three', 'four'];
const UNFINISHED: ReadonlySet<Run['state']> = new Set(['due', 'queued', 'running']);
/** Room for the metadata of these tests and their write-ahead log. */
const METADATA_DISK_MB = 512;
const STAYS_FULL_MS = 10_000;
/** Longer than the ledger bears the silence of a worker (world.ts). */
const BEYOND_THE_LOCK_MS = 22_000;

const NAMED = ['gateway-1', 'gateway-2', 'scheduler-1', 'scheduler-2', 'auth', 'storage', 'audit', 'worker-1', 'worker-2', 'worker-3'];

/** All items of a list. */
async function everything<T>(
  load: (cursor: string | undefined) => Promise<{ data: T[]; page: { nextCursor: string | null } }>,
): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | undefined, page = await load(undefined); ; page = await load(cursor)) {
    items.push(...page.data);
    cursor = page.page.nextCursor ?? undefined;
    if (cursor === undefined) return items;
  }
}

const CLUSTERS = shapes(CLUSTER).filter(({ form }) => form === 'cluster');

/** The tests follow upon each other, on one cluster. Where it has a Redis, that is outside of it, at the end of a wire. */
(CLUSTERS.length > 0 ? describe : describe.skip).each(CLUSTERS)('the cluster under load ($queues)', (shape) => {
  let world: World;
  let disk: SmallDisk;
  let protection: Protection;
  let redis: RedisServer;
  let wire: Wire;
  let gate: Gate;

  beforeAll(async () => {
    world = await openWorld(
      DATABASES.map((name) => `CREATE DATABASE ${name}`),
      shape,
      {
        environment: { ...(shape.queues === 'redis' ? await redisAtTheWire() : {}), RAHAT_SCHEDULER_REDISPATCH_SECONDS: '20' },
        prepare(dataFolder, parts) {
          if (MOUNTS) disk = parts.use(mountSmallDisk(path.join(dataFolder, 'postgresql'), METADATA_DISK_MB));
        },
      },
    );
    gate = await installGate(world);
    for (const name of DATABASES) await fillWithNoise(world, 2, name);
    await becomePatient(world);
    protection = await protect(world, { databases: DATABASES, retention: { keepLast: 1000 }, maxAttempts: 10 });
    await data(serversUpdate({ client: world.platform.client, path: { id: protection.server }, body: { heavyRuns: 8 } }));
  }, 240_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await gate[Symbol.asyncDispose]();
    await wire?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  }, 120_000);

  async function redisAtTheWire(): Promise<NodeJS.ProcessEnv> {
    redis = await startRedis();
    wire = await layWire(redis);
    const reached = new URL(redis.url);
    reached.port = String(wire.port);
    return { REDIS_URL: reached.toString() };
  }

  /** A backup of each database that has none under way. */
  async function startLoad(): Promise<string[]> {
    const { runs } = await data(plansRun({ client: world.platform.client, path: { id: protection.plan } }));
    return runs.map(({ id }) => id);
  }

  async function untilUnderWay(ids: string[]): Promise<void> {
    for (;;) {
      const states = (await Promise.all(ids.map((id) => readRun(world, id)))).map(({ state }) => state);
      if (states.includes('running') || !states.some((state) => UNFINISHED.has(state))) return;
      await sleep(50);
    }
  }

  async function expectAllGood(ids: string[]): Promise<void> {
    const ended = await Promise.all(ids.map((id) => untilEnded(world, id)));
    expect(ended.map(({ state, error }) => [state, error])).toEqual(ids.map(() => ['succeeded', null]));
    await expectTruth();
  }

  /** What the ledger says, the catalog says, and the repository holds: each run that is green once, and nothing else. */
  async function expectTruth(): Promise<Run[]> {
    const { client } = world.platform;
    const listed = await everything((cursor) =>
      data(runsList({ client, query: { server: protection.server, type: 'backup', limit: 200, cursor } })),
    );
    const past = listed.filter(({ state, dueAt }) => state !== 'expected' || Date.parse(dueAt) < Date.now());
    const runs = await Promise.all(past.map(({ id }) => untilEnded(world, id)));
    const recorded = await everything((cursor) => data(backupsList({ client, query: { server: protection.server, limit: 200, cursor } })));
    expect(recorded.map(({ run }) => run).sort()).toEqual(
      runs
        .filter(({ state }) => state === 'succeeded')
        .map(({ id }) => id)
        .sort(),
    );
    const snapshots = recorded.map(({ snapshot }) => snapshot).sort();
    expect(await snapshotsAtRest(protection, snapshots)).toEqual(snapshots);
    return runs;
  }

  async function planBesides(change: Pick<CreatePlan, 'name' | 'databases'> & Partial<CreatePlan>): Promise<string> {
    const { server, repository } = protection;
    const body = { server, repository, verify: [], retention: { keepLast: 1000 }, maxAttempts: 10, ...change };
    return (await data(plansCreate({ client: world.platform.client, body }))).id;
  }

  const switchOff = (plan: string) => data(plansUpdate({ client: world.platform.client, path: { id: plan }, body: { enabled: false } }));

  async function restartPostgresql(signal: 'SIGKILL' | 'SIGINT'): Promise<void> {
    const postmaster = await untilPostmaster(world, () => true);
    process.kill(postmaster, signal);
    await untilPostmaster(world, (pid) => pid !== postmaster);
  }

  async function withoutDisk(): Promise<void> {
    disk.fill();
    while (!/No space left on device/.test(await readLogs(world))) await sleep(200);
    await sleep(STAYS_FULL_MS);
    disk.free();
  }

  async function withoutMemory(): Promise<void> {
    await tellRedis(redis.url, 'CONFIG SET maxmemory 1');
    await sleep(3_000);
    await tellRedis(redis.url, 'CONFIG SET maxmemory 0');
  }

  async function cutTheWire(): Promise<void> {
    wire.cut();
    await sleep(BEYOND_THE_LOCK_MS);
    wire.mend();
  }

  /** Whichever run has a process now. */
  async function killAnAttempt(): Promise<void> {
    kill9((await descendants(world.platform.pid, /run-child\.js/)).slice(0, 1));
  }

  const faultsOfRedis: [string, () => Promise<void>][] = [
    ['a flushed Redis', () => tellRedis(redis.url, 'FLUSHALL')],
    ['a Redis that comes back empty', () => redis.restart()],
    ['a Redis without memory', withoutMemory],
    ['a cut between all processes and the queues', cutTheWire],
  ];

  it.each([
    ...['gateway-1', 'scheduler-1', 'auth', 'storage', 'audit', 'worker-1'].map((name): [string, () => Promise<void>] => [
      `kill -9 of ${name}`,
      () => killProcess(world, name),
    ]),
    ['kill -9 of an attempt', killAnAttempt],
    ['kill -9 of PostgreSQL', () => restartPostgresql('SIGKILL')],
    ['a restart of PostgreSQL', () => restartPostgresql('SIGINT')],
    ...(MOUNTS ? [['a full disk of the metadata', withoutDisk] satisfies [string, () => Promise<void>]] : []),
    ...(shape.queues === 'redis' ? faultsOfRedis : []),
  ])(
    '%s fails no run',
    async (_name, fault) => {
      const ids = await startLoad();
      await untilUnderWay(ids);
      await sleep(randomInt(0, 800));
      await fault();
      await expectAllGood(ids);
    },
    240_000,
  );

  it('a worker that is stopped beyond its lock: its attempt goes to another one, and its own end counts for nothing', async () => {
    await fillWithNoise(world, 20, 'one');
    gate.closeAfter(10e6);
    const held = { ...protection, plan: await planBesides({ name: 'held', databases: ['one'] }) };
    const run = await startBackup(world, held);
    const { worker } = await untilRun(world, run, ({ progress }) => (progress?.bytes ?? 0) > 0);
    const pid = Number(worker!.split('/').at(-2));
    process.kill(pid, 'SIGSTOP');
    try {
      gate.open();
      await untilRun(world, run, ({ attempt, state }) => attempt === 2 && state !== 'queued');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const end = await untilEnded(world, run);
    expect(end).toMatchObject({ state: 'succeeded', attempt: 2 });
    expect(end.worker).not.toBe(worker);
    expect(await backupsOf(world, held)).toHaveLength(1);
    await switchOff(held.plan);
    await expectTruth();
  }, 240_000);

  it('a rolling restart of every process fails no run, and none begins anew', async () => {
    const before = new Map((await processesOf(world)).map(({ name, pid }) => [name, pid]));
    let restarted = false;
    process.kill(world.platform.pid, 'SIGUSR2');
    const done = (async () => {
      while (!world.platform.lines.some((line) => line.includes('all processes were restarted'))) await sleep(100);
      restarted = true;
    })();
    const ids = new Set<string>();
    while (!restarted) {
      for (const id of await startLoad()) ids.add(id);
      await sleep(500);
    }
    await done;
    const after = await processesOf(world);
    expect(after.filter(({ name, pid }) => before.get(name) === pid)).toEqual([]);
    await expectAllGood([...ids]);
  }, 300_000);

  it(`${KILLS} kills at random moments: no run lost, none with effect twice, none falsely green`, async () => {
    const cron = await planBesides({ name: 'each minute', databases: ['two'], cron: '* * * * *' });
    const random: [string, () => Promise<void>][] = [
      ...NAMED.map((name): [string, () => Promise<void>] => [name, () => killProcess(world, name)]),
      ['an attempt', killAnAttempt],
      ['PostgreSQL', () => restartPostgresql('SIGKILL')],
    ];
    const killed = new Map<string, number>();
    for (let kill = 0; kill < KILLS; kill++) {
      await startLoad();
      await sleep(randomInt(0, 1_500));
      const [name, fault] = random[randomInt(0, random.length)]!;
      await fault();
      killed.set(name, (killed.get(name) ?? 0) + 1);
    }
    await switchOff(cron);
    const runs = await expectTruth();
    // A run whose every attempt was killed fails, and an occurrence in whose way the one before was is missed; both say so.
    for (const { state, error, reasons } of runs.filter((run) => run.state !== 'succeeded')) {
      expect(['failed', 'missed']).toContain(state);
      expect(state === 'failed' ? error?.code : reasons.join()).toMatch(/worker_lost|The run before was still/);
    }
    if (KILLS > 20) console.log(`${runs.length} runs, kills: ${JSON.stringify(Object.fromEntries(killed))}`);
  }, 7_200_000);

  it('left a repository without damage and an unbroken trail', async () => {
    const check = await offline<CheckReport>(world, protection, 'check', '--level', 'read-data');
    expect(check.data.problems.filter(({ severity }) => severity === 'damage')).toEqual([]);
    expect(await data(auditVerify({ client: world.platform.client }))).toMatchObject({ intact: true });
  }, 120_000);
});
