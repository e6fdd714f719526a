import { runSchedule } from '@rahat/repository/simulation';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';

const DEFAULT_SCHEDULES = 1000;

/** Schedules of the repository's protocol beyond those that tests run; the seeds begin at `seed`, and a violated promise names its own. */
export async function simulationSuite({ schedules = DEFAULT_SCHEDULES, seed = 1, log }: BenchOptions): Promise<BenchResult[]> {
  const violations: string[] = [];
  const startedAt = performance.now();
  for (let n = 0; n < schedules; n++) {
    const { violation } = await runSchedule(seed + n);
    if (violation) violations.push(`seed ${seed + n}: ${violation}`);
    if ((n + 1) % 100 === 0) log(`${n + 1} of ${schedules} schedules, ${violations.length} violated`);
  }
  violations.forEach(log);
  const msEach = (performance.now() - startedAt) / schedules;
  return [
    {
      case: `simulation: ${schedules} schedules, seeds ${seed} to ${seed + schedules - 1}, time for each`,
      ours: msEach,
      unit: 'ms',
      target: 'no promise broken',
      met: violations.length === 0,
      note: violations.length === 0 ? 'none broken' : `${violations.length} broken, first ${violations[0]}`,
    },
  ];
}
