import type { BenchOptions } from '../bench-options.js';
import { playCases, type BenchCase } from '../bench-cases.js';
import { incrementalCase, physicalCase } from '../physical/physical.js';
import { recoveryCase } from '../physical/recovery.js';
import { compareCase } from '../postgresql/compare.js';
import { walCase } from '../postgresql/wal.js';
import type { BenchResult } from '../result-table.js';

const CASES: Record<string, BenchCase> = {
  compare: compareCase,
  wal: walCase,
  physical: physicalCase,
  incremental: incrementalCase,
  recovery: recoveryCase,
};

/** What PostgreSQL's users wait for, beside PostgreSQL's own tools and pgBackRest where they are installed. */
export function postgresqlSuite(options: BenchOptions): Promise<BenchResult[]> {
  return playCases(CASES, options);
}
