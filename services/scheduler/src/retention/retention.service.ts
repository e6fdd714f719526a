import { RahatError, type ConfirmRetention, type Principal, type RetentionPreview } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { BackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import { findPlan, type PlanRow } from '../plans/plans.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { isNewlyDue, planBrakeOn, weighLine, type Brake } from './brake.js';
import {
  decidedLines,
  lockBackups,
  lockForRetention,
  policyOf,
  tellBackups,
  type DecidedRow,
  type Line,
  type RetainedRow,
  type Told,
} from './lines.js';
import type { Removals } from './removals.js';
import { droppedIn, hashOf, presentPreview } from './preview.js';
import type { LinePolicy } from './retention.js';

/** Carries out what `decideRetention` says, as a reaction to backups that were recorded or proven. */
export class RetentionService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly removals: Removals,
    private readonly clock: Clock,
  ) {}

  async preview(principal: Principal, planId: string): Promise<RetentionPreview> {
    return this.database.inOrganization(principal, async (transaction) => {
      const plan = await findPlan(transaction, planId);
      const policy = await policyOf(transaction, plan);
      return presentPreview(plan, await decidedLines(transaction, plan, policy));
    });
  }

  /** What the preview showed, and nothing else, even where the brake holds it up. */
  async confirm(principal: Principal, planId: string, { hash }: ConfirmRetention): Promise<RetentionPreview> {
    return this.database.inOrganization(principal, async (transaction) => {
      const locked = await lockForRetention(transaction, planId);
      if (!locked) throw new RahatError('not_found', `There is no plan ${planId}`);
      const { plan, policy } = locked;
      await lockBackups(transaction, plan);
      const lines = await decidedLines(transaction, plan, policy);
      if (hashOf(lines) !== hash)
        throw new RahatError('conflict', 'Retention would remove other backups now', {
          hint: 'Look at what it would remove, and confirm that.',
        });
      await recordAct(this.outbox, transaction, principal, {
        action: 'retention.confirmed',
        target: { kind: 'plan', id: plan.id, name: plan.name },
        details: { backups: droppedIn(lines) },
      });
      await this.recordWeighing(transaction, plan, null);
      await this.carryOut(transaction, lines.flat(), plan);
      return presentPreview({ retention_weighed: true, retention_brake: null }, await decidedLines(transaction, plan, policy));
    });
  }

  /**
   * In reaction to a backup, for the others of its database. Of a deleted plan nothing is removed. Two replicas that do this at once
   * wait for each other at the plan's row.
   */
  async apply(transaction: Transaction, backup: Pick<BackupRow, 'plan_id' | 'server_id' | 'database_id'>): Promise<void> {
    const locked = await lockForRetention(transaction, backup.plan_id);
    if (!locked) return;
    const { plan, policy } = locked;
    const line = { server: backup.server_id, database: backup.database_id };
    let lines = await decidedLines(transaction, plan, policy, line);
    if (lines.flat().some(({ decision }) => decision.verdict === 'dropped')) {
      // What somebody holds, reads or removes since then must count: decided is what stands in rows that nobody can change.
      await lockBackups(transaction, plan, line);
      lines = await decidedLines(transaction, plan, policy, line);
    }
    const planBrake = lines.flat().some(isNewlyDue) ? await this.weigh(transaction, plan, policy) : null;
    for (const decided of lines) {
      const { brake, settled, heldUp } = weighLine(decided, planBrake);
      if (brake) await this.holdUp(transaction, { heldUp, brake, plan, line });
      await this.carryOut(transaction, settled, plan, line);
    }
  }

  /** What is out of the ordinary about the plan as it is. An edited one is weighed before its first removal, and not again with each. */
  private async weigh(transaction: Transaction, plan: PlanRow, policy: LinePolicy): Promise<Brake | null> {
    if (plan.retention_weighed) return plan.retention_brake;
    const brake = planBrakeOn(await decidedLines(transaction, plan, policy)) ?? null;
    await this.recordWeighing(transaction, plan, brake);
    return brake;
  }

  private async recordWeighing(transaction: Transaction, { id }: PlanRow, brake: Brake | null): Promise<void> {
    await transaction.query(`UPDATE plans SET retention_weighed = true, retention_brake = $2 WHERE id = $1`, [
      id,
      brake && JSON.stringify(brake),
    ]);
  }

  private async carryOut(transaction: Transaction, decided: readonly DecidedRow[], plan: PlanRow, line?: Line): Promise<void> {
    await this.tell(transaction, decided.filter(isUntold), plan, line);
    const dropped = decided.filter(({ decision }) => decision.verdict === 'dropped');
    await this.removals.begin(
      transaction,
      dropped.map(({ row, decision: { reason } }) => ({ backup: row, reason })),
    );
    for (const { row, decision } of dropped) await this.record(transaction, row, 'backup.removal_requested', decision.reason);
  }

  private async holdUp(
    transaction: Transaction,
    { heldUp, brake: { dropped, of }, plan, line }: { heldUp: readonly DecidedRow[]; brake: Brake; plan: PlanRow; line: Line },
  ): Promise<void> {
    const reason = `waits for confirmation: retention would remove ${dropped} of ${of} backups at once`;
    const told = heldUp
      .map(({ row, decision }) => ({
        row,
        decision: { ...decision, due: false, reason: decision.verdict === 'kept' ? decision.reason : reason },
      }))
      .filter(({ row, decision }) => row.retention_reason !== decision.reason);
    await this.tell(transaction, told, plan, line);
    for (const { row, decision } of told)
      if (decision.verdict === 'dropped') await this.record(transaction, row, 'backup.removal_held_up', reason);
  }

  /**
   * All in one statement, which says each reason once: a policy that was edited gives each backup of its plan another one. Rows that
   * somebody gave another reason meanwhile (held, removed) are not locked here, and keep theirs.
   */
  private async tell(transaction: Transaction, told: readonly DecidedRow[], plan: PlanRow, line?: Line): Promise<void> {
    if (told.length === 0) return;
    const alike = Map.groupBy(told, ({ row, decision: { reason, due } }) => JSON.stringify([row.retention_reason, reason, due]));
    const groups = [...alike.values()].map((group): Told => {
      const { row, decision } = group[0]!;
      return { ids: group.map((one) => one.row.id), known: row.retention_reason, reason: decision.reason, due: decision.due };
    });
    await tellBackups(transaction, groups, this.clock.now(), plan, line);
  }

  private record(transaction: Transaction, backup: RetainedRow, action: string, reason: string): Promise<void> {
    return recordOwnAct(this.outbox, transaction, backup.organization_id, {
      action,
      target: { kind: 'backup', id: backup.id },
      details: { snapshot: backup.snapshot, reason },
    });
  }
}

function isUntold({ row, decision: { verdict, reason, due } }: DecidedRow): boolean {
  return verdict === 'kept' && (row.retention_reason !== reason || (row.due_since !== null) !== due);
}
