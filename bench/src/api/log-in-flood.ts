import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from '../bench-options.js';
import { percentile, spread } from '../orchestration/durations.js';
import type { BenchResult } from '../result-table.js';
import { keysFor, type FilledCluster } from './filled-cluster.js';
import { Caller } from './requests.js';

const READERS = 20;
const READ_EVERY_MS = 200;
const ATTACKERS = 100;
const SECONDS = { full: 30, quick: 10 };
const SLOWER = 2;
const READ = '/api/v2/backups?limit=50';
/** Far from the readers' addresses. */
const ATTACKERS_FROM = 1 << 16;

/** Wrong passwords from many addresses for as many accounts, as fast as they are refused: how long others wait meanwhile. */
export async function logInFloodCase({ client, gateways }: FilledCluster, { quick, log }: BenchOptions): Promise<BenchResult[]> {
  const seconds = SECONDS[quick ? 'quick' : 'full'];
  const gateway = (number: number): string => gateways[number % gateways.length]!;
  const readers = (await keysFor(client, READERS)).map((key, number) => new Caller(gateway(number), key, number));
  log(`${READERS} readers for ${seconds} s, then with a flood of log-ins for as long …`);
  const calm = await readFor(readers, seconds);
  const flood = new AbortController();
  const statuses = new Map<number, number>();
  const attackers = Array.from({ length: ATTACKERS }, (_, number) =>
    attack(new Caller(gateway(number), undefined, ATTACKERS_FROM + number), number, flood.signal, statuses),
  );
  const flooded = await readFor(readers, seconds);
  flood.abort();
  await Promise.all(attackers);
  for (const reader of readers) reader.close();
  const tries = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ');
  const [before, during] = [percentile(calm.times, 0.95), percentile(flooded.times, 0.95)];
  const failed = calm.failed + flooded.failed;
  return [
    {
      case: 'reads while log-ins are flooded, p95',
      ours: during,
      theirs: before,
      peer: 'without',
      unit: 'ms',
      target: `≤ ${SLOWER} × without`,
      met: during <= SLOWER * before && failed === 0,
      note: `${spread(flooded.times)}; without ${spread(calm.times)}; ${failed} reads failed; log-ins: ${tries}`,
    },
  ];
}

async function readFor(readers: Caller[], seconds: number): Promise<{ times: number[]; failed: number }> {
  const end = performance.now() + 1000 * seconds;
  const times: number[] = [];
  let failed = 0;
  const read = async (reader: Caller, number: number): Promise<void> => {
    await sleep((number * READ_EVERY_MS) / readers.length);
    while (performance.now() < end) {
      const { status, ms } = await reader.call('GET', READ);
      if (status === 200) times.push(ms);
      else failed++;
      await sleep(READ_EVERY_MS);
    }
  };
  await Promise.all(readers.map(read));
  return { times, failed };
}

async function attack(caller: Caller, number: number, signal: AbortSignal, statuses: Map<number, number>): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    const body = { email: `nobody-${number}-${attempt}@example.org`, password: 'a wrong password' };
    const { status } = await caller.call('POST', '/api/v2/sessions', body);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  caller.close();
}
