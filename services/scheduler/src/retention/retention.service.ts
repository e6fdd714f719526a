import { RahatError, type ConfirmRetention, type Principal, type RetentionPreview } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { BackupRow } from '../backups/backups.table.js';
import { findPlan, type PlanRow } from '../plans/plans.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { brakeOn, planBrakeOn, type Brake } from './brake.js';
import { decidedLines, lockBackups, policyOf, type DecidedRow, type RetainedRow } from './lines.js';
import type { Removals } from './removals.js';
import { droppedIn, hashOf, presentPreview } from './preview.js';
import type { LinePolicy, RetentionDecision } from './retention.js';

/** Carries out what `decideRetention` says, as a reaction to backups that were recorded or proven. */
export class RetentionService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly removals: Removals,
  ) {}

  async preview(principal: Principal, planId: string): Promise<RetentionPreview> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const plan = await findPlan(transaction, planId);
      const policy = await policyOf(transaction, plan);
      return presentPreview(plan, await decidedLines(transaction, plan, policy));
    });
  }

  /** What the preview showed, and nothing else, even where the brake holds it up. */
  async confirm(principal: Principal, planId: string, { hash }: ConfirmRetention): Promise<RetentionPreview> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const plan = await findPlan(transaction, planId);
      await lockBackups(transaction, plan);
      const policy = await policyOf(transaction, plan);
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
      await this.tellKept(transaction, lines.flat());
      await this.recordWeighing(transaction, plan, null);
      for (const { row, decision } of lines.flat()) await this.carryOut(transaction, row, decision);
      return presentPreview({ retention_weighed: true, retention_brake: null }, await decidedLines(transaction, plan, policy));
    });
  }

  /**
   * In reaction to a backup, for the others of its database. Of a deleted plan nothing is removed. Two replicas that do this at once
   * wait for each other at the plan's row.
   */
  async apply(transaction: Transaction, backup: Pick<BackupRow, 'plan_id' | 'server_id' | 'database_id'>): Promise<void> {
    const [plan] = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, [
      backup.plan_id,
    ]);
    if (!plan) return;
    const line = { server: backup.server_id, database: backup.database_id };
    await lockBackups(transaction, plan, line);
    const policy = await policyOf(transaction, plan);
    const lines = await decidedLines(transaction, plan, policy, line);
    const planBrake = droppedIn(lines).length > 0 ? await this.weigh(transaction, plan, policy) : null;
    for (const decided of lines) {
      const brake = brakeOn(decided) ?? planBrake;
      await this.tellKept(transaction, decided);
      for (const { row, decision } of decided)
        if (brake && decision.verdict === 'dropped') await this.holdUp(transaction, row, brake);
        else await this.carryOut(transaction, row, decision);
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

  /** All in one statement: a policy that was edited gives each backup of its plan another reason. */
  private async tellKept(transaction: Transaction, decided: readonly DecidedRow[]): Promise<void> {
    const changed = decided.filter(({ row, decision }) => decision.verdict === 'kept' && row.retention_reason !== decision.reason);
    if (changed.length === 0) return;
    await transaction.query(
      `UPDATE backups SET retention_reason = told.reason FROM unnest($1::text[], $2::text[]) AS told (id, reason) WHERE backups.id = told.id`,
      [changed.map(({ row }) => row.id), changed.map(({ decision }) => decision.reason)],
    );
  }

  private async carryOut(transaction: Transaction, backup: RetainedRow, decision: RetentionDecision): Promise<void> {
    if (decision.verdict !== 'dropped') return;
    await this.removals.begin(transaction, backup, decision.reason);
    await recordOwnAct(this.outbox, transaction, backup.organization_id, {
      action: 'backup.removal_requested',
      target: { kind: 'backup', id: backup.id },
      details: { snapshot: backup.snapshot, reason: decision.reason },
    });
  }

  private async holdUp(transaction: Transaction, backup: RetainedRow, { dropped, of }: Brake): Promise<void> {
    const reason = `waits for confirmation: retention would remove ${dropped} of ${of} backups at once`;
    if (backup.retention_reason === reason) return;
    await transaction.query(`UPDATE backups SET retention_reason = $2 WHERE id = $1`, [backup.id, reason]);
    await recordOwnAct(this.outbox, transaction, backup.organization_id, {
      action: 'backup.removal_held_up',
      target: { kind: 'backup', id: backup.id },
      details: { snapshot: backup.snapshot, reason },
    });
  }
}
