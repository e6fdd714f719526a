import { VerificationLevel, type VerifyEvery } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { RunCause, RunRow } from '../runs/runs.table.js';
import { assertionsFor } from './assertions-of-plan.js';
import { isSampled } from './sampling.js';

type Verified = Pick<
  BackupRow,
  'id' | 'organization_id' | 'snapshot' | 'repository_id' | 'plan_id' | 'server_id' | 'database_id' | 'database_name' | 'method'
>;

/** From superficial to thorough: what the first finds need not be looked for by the last. */
const ORDER = VerificationLevel.options;
const DEFAULT_DEADLINE_MINUTES = 720;
const ATTEMPTS = 3;

/** The verifications that a plan asks for after a backup: one run per level that is due for it, one after the other. */
export class VerificationChain {
  constructor(
    private readonly ledger: RunLedger,
    private readonly clock: Clock,
  ) {}

  /** In reaction to a recorded backup; gives whether there is anything to verify. */
  async begin(transaction: Transaction, backup: Verified): Promise<boolean> {
    const first = await this.nextLevel(transaction, backup);
    if (first) await this.start(transaction, backup, first, 'reaction');
    return first !== undefined;
  }

  async continueAfter(transaction: Transaction, backup: Verified, run: RunRow): Promise<void> {
    if (run.cause !== 'reaction') return;
    const next = await this.nextLevel(transaction, backup, run.level!);
    if (next) await this.start(transaction, backup, next, 'reaction');
  }

  async start(transaction: Transaction, backup: Verified, level: VerificationLevel, cause: RunCause): Promise<RunRow | undefined> {
    if (cause === 'reaction') {
      const [existing] = await transaction.query(`SELECT 1 FROM runs WHERE backup_id = $1 AND level = $2 AND cause = 'reaction'`, [
        backup.id,
        level,
      ]);
      if (existing) return undefined;
    }
    return this.ledger.createDue(transaction, {
      organization_id: backup.organization_id,
      type: 'verification',
      cause,
      plan_id: backup.plan_id,
      server_id: backup.server_id,
      database_id: backup.database_id,
      database_name: backup.database_name,
      backup_id: backup.id,
      snapshot: backup.snapshot,
      repository_id: backup.repository_id,
      method: backup.method,
      level,
      assertions: await assertionsFor(transaction, backup, level),
      max_attempts: ATTEMPTS,
      deadline_minutes: DEFAULT_DEADLINE_MINUTES,
      due_at: this.clock.now(),
    });
  }

  private async nextLevel(transaction: Transaction, backup: Verified, after?: VerificationLevel): Promise<VerificationLevel | undefined> {
    const [plan] = await transaction.query<{ verify: VerificationLevel[]; verify_every: VerifyEvery }>(
      `SELECT verify, verify_every FROM plans WHERE id = $1`,
      [backup.plan_id],
    );
    if (!plan) return undefined;
    for (const level of ORDER.slice(after === undefined ? 0 : ORDER.indexOf(after) + 1))
      if (plan.verify.includes(level) && (await isSampled(transaction, backup, level, plan.verify_every))) return level;
    return undefined;
  }
}
