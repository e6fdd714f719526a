import { setTimeout as sleep } from 'node:timers/promises';
import { catalogId } from '@rahat/service-scheduler/testing';
import type { BenchOptions } from '../bench-options.js';
import { catalogRoutes } from '../orchestration/catalog-routes.js';
import { percentile, spread } from '../orchestration/durations.js';
import { machineUsage, usageBelow } from '../orchestration/process-usage.js';
import type { Catalog } from '../orchestration/scheduler.js';
import { SeededRandom } from '../repository/seeded-random.js';
import type { BenchResult } from '../result-table.js';
import { keysFor, type FilledCluster } from './filled-cluster.js';
import { Caller, type Answer } from './requests.js';

const USERS = { full: 1_000, quick: 100 };
const SECONDS = { full: 120, quick: 20 };
/** From an answer to the next page: half as long to one and a half times. TPC-W lets its browsers think for 7 s, people read longer where there is more to see. */
const THINK_MS = 10_000;
/** Every tenth request writes a note. */
const WRITE_EVERY = 10;
const READ_LIMIT_MS = 200;
const WRITE_LIMIT_MS = 400;

/** By then services and caches are warm. */
const COLD_MS = 30_000;

interface Timed {
  what: string;
  ms: number;
  /** While services and caches were cold. */
  early: boolean;
}

interface Seen {
  reads: Timed[];
  writes: Timed[];
  failures: string[];
}

/**
 * Users who open page after page, each with a credential and over a connection of his own, half of them at each gateway. A page is one
 * request, any of `catalogRoutes` as likely as any other (the status of all databases and searches of a million rows among them), or a
 * note. Who waits for an answer doesn't ask for the next page meanwhile, but thinks for as long after a late answer as after a quick one;
 * nobody asks again what failed. The first requests count, too: no service and no cache is warm. The users share the machine's cores with
 * all that they measure.
 */
export async function browsingCase(cluster: FilledCluster, { quick, log }: BenchOptions): Promise<BenchResult[]> {
  const size = quick ? 'quick' : 'full';
  const users = USERS[size];
  log(`a key for each of ${users} users …`);
  const keys = await keysFor(cluster.client, users);
  const callers = keys.map((key, number) => new Caller(cluster.gateways[number % cluster.gateways.length]!, key, number));
  log(`${users} users browse for ${SECONDS[size]} s …`);
  const seen: Seen = { reads: [], writes: [], failures: [] };
  const used = usageOf(cluster);
  const machine = machineUsage();
  const begun = performance.now();
  const end = begun + 1000 * SECONDS[size];
  await Promise.all(
    callers.map((caller, number) => browse(caller, cluster.catalog, new SeededRandom().seed(number), { begun, end }, seen)),
  );
  for (const caller of callers) caller.close();
  const answered = seen.reads.length + seen.writes.length;
  const spent = (1000 * (usageOf(cluster) - used)) / answered;
  const each = `${users} users, a request of each every ${THINK_MS / 1000} s: ${Math.round(answered / SECONDS[size])} requests/s of ${spent.toFixed(1)} ms of CPU; ${othersSince(machine, (spent * answered) / 1000)}`;
  const result = (name: string, requests: Timed[], limit: number): BenchResult => {
    const times = timesOf(requests);
    const warm = timesOf(requests.filter(({ early }) => !early));
    return {
      case: `${name} by ${users} users over ${cluster.catalog.backups} backups, p95`,
      ours: percentile(times, 0.95),
      unit: 'ms',
      target: `< ${limit} ms`,
      met: percentile(times, 0.95) < limit,
      note: `${spread(times)}; from ${COLD_MS / 1000} s on ${spread(warm)}; slowest ${slowest(requests)}; ${each}`,
    };
  };
  return [
    result('reads', seen.reads, READ_LIMIT_MS),
    result('writes', seen.writes, WRITE_LIMIT_MS),
    {
      case: `requests of ${users} users that failed`,
      ours: (100 * seen.failures.length) / (seen.failures.length + answered),
      unit: '%',
      target: 'none',
      met: seen.failures.length === 0,
      note: [...new Set(seen.failures)].slice(0, 3).join('; '),
    },
  ];
}

function timesOf(requests: readonly Timed[]): number[] {
  return requests.map(({ ms }) => ms);
}

/** By the middle one of each. */
function slowest(requests: readonly Timed[]): string {
  const middles = [...Map.groupBy(requests, ({ what }) => what)].map(([what, some]) => ({ what, ms: percentile(timesOf(some), 0.5) }));
  const first = middles.sort((one, other) => other.ms - one.ms).slice(0, 3);
  return first.map(({ what, ms }) => `${what} ${Math.round(ms)} ms`).join(', ');
}

/** CPU seconds of all services and of PostgreSQL. */
function usageOf({ pid, postgresql }: FilledCluster): number {
  const [services, database] = [usageBelow(pid), usageBelow(postgresql)];
  return services.own.cpuSeconds + database.postgresql.cpuSeconds;
}

/** What the figures were measured beside. */
function othersSince(before: ReturnType<typeof machineUsage>, ourSeconds: number): string {
  const now = machineUsage();
  const [busy, idle] = [now.busySeconds - before.busySeconds, now.idleSeconds - before.idleSeconds];
  const percent = (seconds: number) => `${Math.round((100 * seconds) / (busy + idle))} %`;
  return `of the cores ${percent(ourSeconds)} were theirs, ${percent(idle)} idle`;
}

async function browse(
  caller: Caller,
  catalog: Catalog,
  random: SeededRandom,
  { begun, end }: { begun: number; end: number },
  seen: Seen,
): Promise<void> {
  const routes = catalogRoutes(catalog);
  const pause = (share: number): Promise<void> => sleep(Math.min(share * THINK_MS, Math.max(0, end - performance.now())));
  // They don't all begin at once.
  await pause(random.below(1_000) / 1_000);
  while (performance.now() < end) {
    const writes = random.below(WRITE_EVERY) === 0;
    const route = routes[random.below(routes.length)]!;
    const what = writes ? 'a note' : route.name;
    const early = performance.now() < begun + COLD_MS;
    const answer = writes ? await writeNote(caller, catalog, random) : await caller.call('GET', route.path);
    if (answer.status === 200) seen[writes ? 'writes' : 'reads'].push({ what, ms: answer.ms, early });
    else seen.failures.push(`${what}: ${answer.status} ${answer.body.slice(0, 200)}`);
    await pause(0.5 + random.below(1_000) / 1_000);
  }
}

function writeNote(caller: Caller, catalog: Catalog, random: SeededRandom): Promise<Answer> {
  const server = catalogId('server', random.below(catalog.servers));
  return caller.call('PUT', `/api/v2/servers/${server}/note`, { note: `looked at ${random.next()}` });
}
