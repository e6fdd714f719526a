import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import { reasonOfPause } from '../plans/plan-pauses.js';
import type { PlanRow } from '../plans/plans.table.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { RunRow } from '../runs/runs.table.js';
import { decideOverdue } from '../runs/tick/overdue.js';
import { assertionsFor } from './assertions-of-plan.js';
import type { VerificationChain } from './verification-chain.js';

const ROWS_AT_ONCE = 1_000;

/** Expected verifications whose time has come: each gets the newest backup of its line, or an outcome that says why it has none. */
export async function startDueVerifications(
  transaction: Transaction,
  parts: { ledger: RunLedger; verification: VerificationChain },
  now: Date,
  missedAfterMs: number,
): Promise<{ more: boolean }> {
  const { ledger, verification } = parts;
  const runs = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE state = 'expected' AND type = 'verification' AND due_at <= $1 ORDER BY due_at LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [now],
  );
  const plans = await plansOf(transaction, runs);
  for (const line of Map.groupBy(runs, lineOf).values()) {
    const first = line[0]!;
    const plan = plans.get(first.plan_id!)!;
    // Windows protect the source, which a verification doesn't touch.
    const { decisions, catchUp } = decideOverdue(
      line.map((run) => ({ id: run.id, dueAt: run.due_at, type: 'full' })),
      {
        now,
        missedAfterMs,
        catchUp: plan.catch_up,
        busy: await isBusy(transaction, first),
        ...(plan.enabled ? {} : { paused: plan.deleted_at ? 'The plan was deleted before this run started.' : reasonOfPause(plan) }),
        leftOut: () => undefined,
      },
    );
    const starts = catchUp !== undefined || decisions.some(({ becomes }) => becomes === 'due');
    const backup = starts ? await newestBackup(transaction, first) : undefined;
    for (const decision of decisions) {
      const run = line.find(({ id }) => id === decision.id)!;
      if (decision.becomes !== 'due') await ledger.move(transaction, run, decision.becomes, 'tick', { reasons: [decision.reason] });
      else if (backup) await startOn(transaction, ledger, run, backup);
      else await ledger.move(transaction, run, 'skipped', 'tick', { reasons: ['There was no backup to verify.'] });
    }
    if (catchUp !== undefined && backup) await verification.start(transaction, backup, first.level!, 'catch_up');
  }
  return { more: runs.length === ROWS_AT_ONCE };
}

function lineOf(run: RunRow): string {
  return `${run.plan_id} ${run.server_id} ${run.database_id} ${run.level}`;
}

async function plansOf(transaction: Transaction, runs: readonly RunRow[]): Promise<Map<string, PlanRow>> {
  const plans = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = ANY ($1::text[])`, [runs.map((run) => run.plan_id)]);
  return new Map(plans.map((plan) => [plan.id, plan]));
}

async function isBusy(transaction: Transaction, run: RunRow): Promise<boolean> {
  const [active] = await transaction.query(
    `SELECT 1 FROM runs WHERE type = 'verification' AND state IN ('due', 'queued', 'running') AND plan_id = $1 AND server_id = $2
       AND database_id IS NOT DISTINCT FROM $3 AND level = $4 AND cause IN ('schedule', 'catch_up')`,
    [run.plan_id, run.server_id, run.database_id, run.level],
  );
  return active !== undefined;
}

/** Locked, so that retention doesn't take it away before the run that reads it is seen. */
async function newestBackup(transaction: Transaction, run: RunRow): Promise<BackupRow | undefined> {
  const [backup] = await transaction.query<BackupRow>(
    `SELECT * FROM backups WHERE plan_id = $1 AND server_id = $2 AND database_id IS NOT DISTINCT FROM $3
       AND removal_requested_at IS NULL AND missing_since IS NULL AND state = 'succeeded' AND proof <> 'damaged' ORDER BY id DESC LIMIT 1 FOR UPDATE`,
    [run.plan_id, run.server_id, run.database_id],
  );
  return backup;
}

async function startOn(transaction: Transaction, ledger: RunLedger, run: RunRow, backup: BackupRow): Promise<void> {
  await transaction.query(`UPDATE runs SET backup_id = $2, snapshot = $3, repository_id = $4, assertions = $5 WHERE id = $1`, [
    run.id,
    backup.id,
    backup.snapshot,
    backup.repository_id,
    JSON.stringify(await assertionsFor(transaction, backup, run.level!)),
  ]);
  await ledger.makeDue(transaction, [run]);
}
