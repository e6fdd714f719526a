import type { BenchOptions } from '../bench-options.js';
import { playCases, type BenchCase } from '../bench-cases.js';
import { catalogCase } from '../orchestration/catalog.js';
import { dueSchedulesCase } from '../orchestration/due-schedules.js';
import { idleCase } from '../orchestration/idle.js';
import { queuedStartsCase } from '../orchestration/queued-starts.js';
import { retentionCase } from '../orchestration/retention.js';
import { workersCase } from '../orchestration/workers.js';
import type { BenchResult } from '../result-table.js';

const CASES: Record<string, BenchCase> = {
  schedules: dueSchedulesCase,
  starts: queuedStartsCase,
  catalog: catalogCase,
  retention: retentionCase,
  idle: idleCase,
  workers: workersCase,
};

/** What runs and catalog cost besides the backups themselves, in the sizes of a large installation. `quick` makes them a twentieth. */
export async function orchestrationSuite(options: BenchOptions): Promise<BenchResult[]> {
  return playCases(CASES, options);
}
