import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import type { RangeOutcome, SeedRange } from './simulation-child.js';

const DEFAULT_SCHEDULES = 1000;
/** So many at once, so that processes seldom wait and the log goes on. */
const RANGE = 250;
const CHILD = fileURLToPath(new URL('simulation-child.js', import.meta.url));

/**
 * Schedules of the repository's protocol beyond those that tests run, in a process for each core. The seeds begin at `seed`, and a
 * violated promise names its own.
 */
export async function simulationSuite({ schedules = DEFAULT_SCHEDULES, seed = 1, log }: BenchOptions): Promise<BenchResult[]> {
  const totals = { run: 0, calls: 0, removedPacks: 0, violations: [] as string[] };
  const waiting = rangesOf(seed, schedules);
  const startedAt = performance.now();
  const elapsedS = (): number => (performance.now() - startedAt) / 1000;
  const note = ({ range, calls, removedPacks, violations }: RangeOutcome): void => {
    totals.run += range.count;
    totals.calls += calls;
    totals.removedPacks += removedPacks;
    totals.violations.push(...violations);
    violations.forEach(log);
    const rate = (totals.run / elapsedS()).toFixed(1);
    log(`${totals.run} of ${schedules} schedules, ${rate} a second, ${totals.violations.length} violated`);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, () => work(waiting, note)));
  const { violations, removedPacks, calls } = totals;
  const rate = totals.run / elapsedS();
  const found = violations.length === 0 ? 'none broken' : `${violations.length} broken, first ${violations[0]}`;
  return [
    {
      case: `simulation: ${totals.run} schedules, seeds ${seed} to ${seed + schedules - 1}, time for each`,
      ours: 1000 / rate,
      unit: 'ms',
      target: 'no promise broken',
      met: violations.length === 0,
      note: `${found}; ${rate.toFixed(1)} a second, ${calls} calls of the storage, ${removedPacks} packs deleted, ${availableParallelism()} processes`,
    },
  ];
}

function rangesOf(seed: number, schedules: number): SeedRange[] {
  const ranges: SeedRange[] = [];
  for (let n = 0; n < schedules; n += RANGE) ranges.push({ first: seed + n, count: Math.min(RANGE, schedules - n) });
  return ranges;
}

/** One process after the other range, until none waits. */
async function work(waiting: SeedRange[], note: (outcome: RangeOutcome) => void): Promise<void> {
  const child = fork(CHILD, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    for (let range = waiting.shift(); range; range = waiting.shift()) note(await ask(child, range));
  } finally {
    child.kill();
  }
}

async function ask(child: ChildProcess, range: SeedRange): Promise<RangeOutcome> {
  const ended = new AbortController();
  try {
    const answered = once(child, 'message', { signal: ended.signal });
    const died = once(child, 'close', { signal: ended.signal }).then(([code, signal]) => {
      throw new Error(`The process with the seeds from ${range.first} on ended by itself: ${String(signal ?? code)}.`);
    });
    child.send(range);
    const [outcome] = (await Promise.race([answered, died])) as [RangeOutcome];
    return outcome;
  } finally {
    ended.abort();
  }
}
