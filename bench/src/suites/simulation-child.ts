import { runSchedule } from '@rahat/repository/simulation';

/** What a process that runs schedules is told: which seeds. */
export interface SeedRange {
  first: number;
  count: number;
}

/** What it tells of them. */
export interface RangeOutcome {
  range: SeedRange;
  violations: string[];
  calls: number;
  removedPacks: number;
}

async function run(range: SeedRange): Promise<RangeOutcome> {
  const outcome: RangeOutcome = { range, violations: [], calls: 0, removedPacks: 0 };
  for (let seed = range.first; seed < range.first + range.count; seed++) {
    const { violation, scene, calls, removedPacks } = await runSchedule(seed);
    if (violation) outcome.violations.push(`seed ${seed} (${scene}): ${violation}`);
    outcome.calls += calls;
    outcome.removedPacks += removedPacks;
  }
  return outcome;
}

// Only where it was started as a process of its own.
if (process.send) {
  process.on('message', (message: SeedRange) => {
    void run(message).then((outcome) => process.send?.(outcome));
  });
}
