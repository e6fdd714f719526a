import { RahatError } from '@rahat/contracts';
import type { BenchOptions } from '../bench-options.js';
import { catalogCase } from '../orchestration/catalog.js';
import { dueSchedulesCase } from '../orchestration/due-schedules.js';
import { idleCase } from '../orchestration/idle.js';
import { queuedStartsCase } from '../orchestration/queued-starts.js';
import { retentionCase } from '../orchestration/retention.js';
import { workersCase } from '../orchestration/workers.js';
import type { BenchResult } from '../result-table.js';

const CASES: Record<string, (options: BenchOptions) => Promise<BenchResult[]>> = {
  schedules: dueSchedulesCase,
  starts: queuedStartsCase,
  catalog: catalogCase,
  retention: retentionCase,
  idle: idleCase,
  workers: workersCase,
};

/** What runs and catalog cost besides the backups themselves, in the sizes of a large installation. `quick` makes them a twentieth. */
export async function orchestrationSuite(options: BenchOptions): Promise<BenchResult[]> {
  const names = options.cases ?? Object.keys(CASES);
  const unknown = names.filter((name) => !Object.hasOwn(CASES, name));
  if (unknown.length > 0)
    throw new RahatError('invalid_input', `There is no case ${unknown.join(', ')}.`, { hint: `Cases: ${Object.keys(CASES).join(', ')}.` });
  const results: BenchResult[] = [];
  for (const name of names) results.push(...(await CASES[name]!(options)));
  return results;
}
