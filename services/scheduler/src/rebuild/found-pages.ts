import type { Answer, FoundSnapshot, Question, RebuiltSnapshot } from '@rahat/contracts';
import { wholeOrganization, type TenantDatabase, type Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { lockRun, type RunRow } from '../runs/runs.table.js';
import { knownAttempts, knownBackups, markSeen, moveRow, recordFound, type AttemptOfSnapshot } from './catalog-rows.js';
import { recordFoundLogs } from '../log-streams/found-logs.js';
import { fateOf, type Fate, type Situation } from './fate.js';
import { markMissing } from './missing.js';
import { Origins } from './origins.js';

/** Takes what workers find in repositories into the catalog, a page in a transaction. */
export class FoundPages {
  constructor(
    private readonly database: TenantDatabase,
    private readonly clock: Clock,
  ) {}

  /** The same page twice is taken once. */
  async take(page: Question<'snapshots.found.v1'>): Promise<Answer<'snapshots.found.v1'>> {
    const [owner] = await this.database.asSystem('find whose catalog is rebuilt', (transaction) =>
      transaction.query<{ organization_id: string }>(`SELECT organization_id FROM runs WHERE id = $1 AND type = 'rebuild'`, [page.run]),
    );
    if (!owner) return { granted: false };
    // Under row security: whatever a manifest says, it fills the catalog of no other organization.
    return this.database.inOrganization(wholeOrganization(owner.organization_id), async (transaction) => {
      const run = await lockRun(transaction, page.run);
      if (run?.state !== 'running' || run.attempt !== page.attempt || run.worker !== page.worker) return { granted: false };
      const situation = {
        organization: run.organization_id,
        run: run.id,
        since: await beginOf(transaction, run),
        attachedAt: run.attached_at,
      };
      const snapshots = await this.takePage(transaction, run, page.snapshots, situation);
      const logsRecorded = await recordFoundLogs(transaction, run, page.logs ?? [], this.clock.now());
      if (!page.last) return { granted: true, snapshots, logsRecorded };
      return { granted: true, snapshots, missing: await markMissing(transaction, run, situation.since, this.clock.now()) };
    });
  }

  private async takePage(
    transaction: Transaction,
    run: RunRow,
    snapshots: FoundSnapshot[],
    situation: Situation,
  ): Promise<RebuiltSnapshot[]> {
    const ids = snapshots.map(({ snapshot }) => snapshot);
    // The ledger before the catalog: a run that ends in between has its backup in the catalog by then.
    const attempts = await knownAttempts(transaction, run.repository_id, ids);
    const backups = await knownBackups(transaction, run.repository_id, ids);
    const fates = snapshots.map((found) => ({
      found,
      fate: fateOf(found, { backup: backups.get(found.snapshot), attempt: attempts.get(found.snapshot) }, situation),
    }));
    if (!run.dry_run) {
      const unknown = fates.filter(({ found }) => !backups.has(found.snapshot)).map(({ fate }) => fate);
      await this.record(transaction, run, unknown, attempts);
      for (const { found, fate } of fates)
        if (fate.outcome === 'corrected') await moveRow(transaction, run.repository_id, found, this.clock.now());
    }
    await markSeen(transaction, run, ids);
    return fates.map(({ found, fate }) => ({
      snapshot: found.snapshot,
      outcome: fate.outcome,
      ...('reason' in fate ? { reason: fate.reason } : {}),
    }));
  }

  private async record(
    transaction: Transaction,
    run: RunRow,
    fates: readonly Fate[],
    attempts: ReadonlyMap<string, AttemptOfSnapshot>,
  ): Promise<void> {
    const wanted = fates.flatMap((fate) => ('found' in fate ? [fate.found] : []));
    const origins = await Origins.of(transaction, run, wanted, this.clock.now());
    for (const found of wanted) {
      const attempt = attempts.get(found.snapshot);
      await recordFound(transaction, { rebuild: run, found, origin: await origins.originOf(found), attempt, now: this.clock.now() });
    }
  }
}

async function beginOf(transaction: Transaction, run: RunRow): Promise<Date> {
  const [attempt] = await transaction.query<{ started_at: Date }>(`SELECT started_at FROM attempts WHERE run_id = $1 AND attempt = $2`, [
    run.id,
    run.attempt,
  ]);
  return attempt!.started_at;
}
