import { availableParallelism } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  databasesDiscover,
  plansCreate,
  plansRun,
  repositoriesCreate,
  runsList,
  serversCreate,
  storagesCreate,
  type Client,
} from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { data } from '@rahat/demo';
import { hasRedis, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { timed } from './durations.js';
import { withPlatform, type BenchPlatform } from './platform.js';
import { machineUsage } from './process-usage.js';

const BACKUPS = 60;
const QUICK_BACKUPS = 12;
const ROWS = 20_000;
const WANTED = 2.2;
/** Each of the workers and PostgreSQL want a core of their own. */
const CORES_NEEDED = 4;
const LIMIT_MS = 20 * 60_000;
const LOOK_EVERY_MS = 200;

/** The cluster's workers: two take from one pool, one from another. */
const POOLS = { two: 'default', one: 'second' };

interface Batch {
  seconds: number;
  /** Share of all cores that was busy meanwhile. */
  busyPercent: number;
}

/** A fixed set of small backups by one worker, and by three: a slot each, so that a worker does one after the other. */
export async function workersCase({ quick, log }: BenchOptions): Promise<BenchResult[]> {
  const backups = quick ? QUICK_BACKUPS : BACKUPS;
  await using source = await startPostgresql({ major: 15 });
  log(`making ${backups} databases …`);
  const databases = await makeDatabases(source, backups);
  const environment = { RAHAT_WORKER_SLOTS: '1', RAHAT_QUEUES: hasRedis() ? 'redis' : 'postgresql' };
  const { one, three } = await withPlatform('cluster', { limitMs: LIMIT_MS, environment }, async (bench) => {
    const servers = { two: await addServer(bench, source, POOLS.two), one: await addServer(bench, source, POOLS.one) };
    const third = Math.round(backups / 3);
    log('warming up …');
    await backUpAll(bench, 'warm', [
      { server: servers.two, databases: databases.slice(0, 2) },
      { server: servers.one, databases: databases.slice(2, 3) },
    ]);
    const three = await backUpAll(bench, 'three', [
      { server: servers.two, databases: databases.slice(third) },
      { server: servers.one, databases: databases.slice(0, third) },
    ]);
    log(`three workers: ${three.seconds.toFixed(1)} s`);
    const one = await backUpAll(bench, 'one', [{ server: servers.one, databases }]);
    log(`one worker: ${one.seconds.toFixed(1)} s`);
    return { one, three };
  });
  const times = one.seconds / three.seconds;
  const cores = availableParallelism();
  return [
    {
      case: `${backups} small backups by three workers`,
      ours: three.seconds,
      theirs: one.seconds,
      peer: 'one worker',
      unit: 's',
      target: `≥ ${WANTED} × as fast, with ${CORES_NEEDED} cores or more`,
      met: times >= WANTED || (cores < CORES_NEEDED ? 'not measured' : false),
      note: `${times.toFixed(2)} × as fast on ${cores} cores, which were busy ${percent(three)} with three workers and ${percent(one)} with one`,
    },
  ];
}

/** Of text that is new in each, so that none is stored already. */
async function makeDatabases(source: PostgresqlServer, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `small_${index}`);
  for (const name of names) {
    await source.query(`CREATE DATABASE ${name}`);
    await source.query(
      `CREATE TABLE orders AS SELECT i AS id, md5(random()::text) || md5(random()::text) AS note FROM generate_series(1, ${ROWS}) i`,
      [],
      name,
    );
  }
  return names;
}

async function addServer({ platform: { client } }: BenchPlatform, source: PostgresqlServer, pool: string): Promise<string> {
  const address = { host: source.host, port: source.port, user: source.user, maintenanceDatabase: 'postgres', tls: 'disable' as const };
  const body = { name: `source of ${pool}`, pool, heavyRuns: 100, address, password: source.password };
  const { id } = await data(serversCreate({ client, body }));
  await data(databasesDiscover({ client, path: { server: id } }));
  return id;
}

/** Into a repository of its own: what another batch stored would be there already. */
async function backUpAll(
  { platform: { client }, folder }: BenchPlatform,
  name: string,
  parts: { server: string; databases: string[] }[],
): Promise<Batch> {
  const storage = await data(
    storagesCreate({ client, body: { name, settings: { driver: 'local', path: path.join(folder, `storage-${name}`) } } }),
  );
  const repository = await data(repositoriesCreate({ client, body: { name, storage: storage.id } }));
  const plans: string[] = [];
  for (const [index, { server, databases }] of parts.entries()) {
    const body = { name: `${name} ${index}`, server, databases, repository: repository.id, verify: [] };
    plans.push((await data(plansCreate({ client, body }))).id);
  }
  const before = machineUsage();
  const { ms } = await timed(async () => {
    for (const id of plans) await data(plansRun({ client, path: { id } }));
    await untilSucceeded(client, plans, parts.flatMap(({ databases }) => databases).length);
  });
  const after = machineUsage();
  const busy = after.busySeconds - before.busySeconds;
  return { seconds: ms / 1000, busyPercent: (100 * busy) / (busy + after.idleSeconds - before.idleSeconds) };
}

async function untilSucceeded(client: Client, plans: string[], count: number): Promise<void> {
  for (;;) {
    const lists = await Promise.all(plans.map((plan) => data(runsList({ client, query: { plan, type: 'backup', limit: 200 } }))));
    const runs = lists.flatMap((list) => list.data);
    const failed = runs.find(({ state }) => ['partial', 'failed', 'cancelled', 'missed', 'skipped'].includes(state));
    if (failed)
      throw new RahatError('unavailable', `A backup ended as ${failed.state}: ${failed.error?.message ?? failed.reasons.join(' ')}`);
    if (runs.filter(({ state }) => state === 'succeeded').length === count) return;
    await sleep(LOOK_EVERY_MS);
  }
}

function percent({ busyPercent }: Batch): string {
  return `${Math.round(busyPercent)} %`;
}
