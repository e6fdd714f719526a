import { Counter, Histogram, type Registry } from '@rahat/service-kit';
import type { RunRow } from '../runs/runs.table.js';
import { isTerminal } from '../runs/run-states.js';

const RESULTS = ['succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped'] as const;
/** A minute to a day: databases differ by that much. */
const DURATION_BUCKETS = [10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400];

/** Runs that ended while this process looked; the sum over all schedulers is the installation's. */
export class RunMetrics {
  private readonly backups = counter('rahat_backup_runs_total', 'Backups that ended, by result');
  private readonly backupSeconds = histogram('rahat_backup_duration_seconds', 'Time of a backup from its first attempt to its end');
  private readonly restoreTests = counter('rahat_restore_test_runs_total', 'Test restores that ended, by result');
  private readonly restoreTestSeconds = histogram('rahat_restore_test_duration_seconds', 'Time of a test restore');
  private readonly restores = counter('rahat_restore_runs_total', 'Restores that ended, by result');

  registerIn(registry: Registry): this {
    for (const metric of [this.backups, this.backupSeconds, this.restoreTests, this.restoreTestSeconds, this.restores])
      registry.registerMetric(metric);
    return this;
  }

  /** `run` has been moved to another state, for good. */
  moved(run: RunRow): void {
    if (!isTerminal(run.state)) return;
    const seconds = run.started_at && run.finished_at ? (run.finished_at.getTime() - run.started_at.getTime()) / 1000 : undefined;
    if (run.type === 'restore') this.restores.inc({ result: run.state });
    if (run.type === 'backup') {
      this.backups.inc({ result: run.state });
      if (seconds !== undefined) this.backupSeconds.observe(seconds);
    }
    if (run.type === 'verification' && run.level === 'FULL') {
      this.restoreTests.inc({ result: run.state });
      if (seconds !== undefined) this.restoreTestSeconds.observe(seconds);
    }
  }
}

/** From zero on: a rate needs to see the first failure as a rise. */
function counter(name: string, help: string): Counter<'result'> {
  const made = new Counter({ name, help, labelNames: ['result'], registers: [] });
  for (const result of RESULTS) made.inc({ result }, 0);
  return made;
}

function histogram(name: string, help: string): Histogram {
  return new Histogram({ name, help, buckets: DURATION_BUCKETS, registers: [] });
}
