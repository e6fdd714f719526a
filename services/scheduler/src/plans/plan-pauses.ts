import type { PausePlan, Principal } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { mistaken } from '../input/mistake.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { RunRow } from '../runs/runs.table.js';
import type { PlanRow } from './plans.table.js';

/** The ledger goes on while a plan is paused: each of its occurrences is told as skipped, and why. */
export class PlanPauses {
  constructor(private readonly ledger: RunLedger) {}

  async pause(transaction: Transaction, plan: PlanRow, principal: Principal, request: PausePlan, now: Date): Promise<PlanRow> {
    if (request.until !== undefined && Date.parse(request.until) <= now.getTime())
      throw mistaken({ pointer: '/until', message: 'is in the past' });
    if (!plan.enabled && request.reason === undefined && request.until === undefined) return plan;
    const pause = {
      at: plan.pause?.at ?? now.toISOString(),
      by: principal.name,
      reason: request.reason ?? null,
      until: request.until === undefined ? null : new Date(request.until).toISOString(),
    };
    const [row] = await transaction.query<PlanRow>(`UPDATE plans SET enabled = false, pause = $2 WHERE id = $1 RETURNING *`, [
      plan.id,
      JSON.stringify(pause),
    ]);
    return row!;
  }

  /** What came due in the pause is told now, before the plan is seen as running again. */
  async resume(transaction: Transaction, plan: PlanRow, now: Date): Promise<PlanRow> {
    if (plan.enabled) return plan;
    const passed = await transaction.query<RunRow>(
      `SELECT * FROM runs WHERE plan_id = $1 AND state = 'expected' AND due_at <= $2 ORDER BY due_at FOR UPDATE`,
      [plan.id, now],
    );
    for (const run of passed) await this.ledger.move(transaction, run, 'skipped', 'tick', { reasons: [reasonOfPause(plan)] });
    const [row] = await transaction.query<PlanRow>(
      `UPDATE plans SET enabled = true, pause = NULL, replan = true WHERE id = $1 RETURNING *`,
      [plan.id],
    );
    return row!;
  }

  /** Pauses that were given an end. */
  async resumeDue(transaction: Transaction, now: Date): Promise<void> {
    const plans = await transaction.query<PlanRow>(
      `SELECT * FROM plans WHERE NOT enabled AND deleted_at IS NULL AND (pause ->> 'until')::timestamptz <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED`,
      [now],
    );
    for (const plan of plans) await this.resume(transaction, plan, now);
  }
}

export function reasonOfPause(plan: Pick<PlanRow, 'pause'>): string {
  const by = plan.pause ? ` by ${plan.pause.by}` : '';
  return `The plan was paused${by}${plan.pause?.reason ? `: ${plan.pause.reason}` : '.'}`;
}
