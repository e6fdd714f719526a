import { randomUUID } from 'node:crypto';
import { newId, QUEUES, type RunState } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { recordOwnAct } from '../trail/trail.js';
import type { Memory } from './memory.js';
import { priorityOf } from './priorities.js';
import { isTerminal, statesBefore, type Cause } from './run-states.js';
import type { NewRun, RunChanges, RunRow } from './runs.table.js';

const JSON_COLUMNS: ReadonlySet<string> = new Set(['progress', 'evidence', 'reasons', 'error', 'waiting_for']);

interface GivenUpAttempt {
  attempt: number;
  snapshot: string;
  queued_at: Date;
  reported_at: Date | null;
}

/** The only place that writes a run's state. */
export class RunLedger {
  constructor(
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly memory: Memory,
    /** Called when a run became due by itself, so that it need not wait for the next tick. */
    private readonly onDue: () => void,
    /** Told of each state that a run has come to, once that is committed. */
    private readonly onMoved: (run: RunRow) => void = () => undefined,
  ) {}

  /** A run whose time has come. */
  async createDue(transaction: Transaction, run: NewRun): Promise<RunRow> {
    // A backup may be of a plan that covers more servers than who verifies it may see.
    const plan = await transaction.inWholeOrganization(() => planOf(transaction, run.plan_id));
    const priority = run.priority ?? priorityOf(run, plan?.priority);
    const [row] = await transaction.query<RunRow>(
      `INSERT INTO runs (id, organization_id, type, state, cause, server_id, method, repository_id, max_attempts, deadline_minutes, due_at,
         plan_id, database_id, database_name, backup_id, restore_plan_id, level, snapshot, deep, backup_type, priority, assertions, dry_run, attached_at, stream_id, compared_with, names)
       VALUES ($1, $2, $3, 'due', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
         concat_ws(' ', (SELECT name FROM servers WHERE id = $5), $26::text)) RETURNING *`,
      [
        newId('run'),
        run.organization_id,
        run.type,
        run.cause,
        run.server_id,
        run.method,
        run.repository_id,
        run.max_attempts,
        run.deadline_minutes,
        run.due_at,
        run.plan_id ?? null,
        run.database_id ?? null,
        run.database_name ?? null,
        run.backup_id ?? null,
        run.restore_plan_id ?? null,
        run.level ?? null,
        run.snapshot ?? null,
        run.deep ?? false,
        run.backup_type ?? null,
        priority,
        JSON.stringify(run.assertions ?? []),
        run.dry_run ?? false,
        run.attached_at ?? null,
        run.stream_id ?? null,
        run.compared_with ? JSON.stringify(run.compared_with) : null,
        plan?.name ?? null,
      ],
    );
    transaction.afterCommit(this.onDue);
    return row!;
  }

  /** Expected runs whose time has come; all at once, because in the small hours there are thousands. */
  async makeDue(transaction: Transaction, runs: readonly Pick<RunRow, 'id'>[]): Promise<void> {
    await transaction.query(`UPDATE runs SET state = 'due' WHERE id = ANY ($1::text[]) AND state = ANY ($2::text[])`, [
      runs.map((run) => run.id),
      statesBefore('due', 'tick'),
    ]);
  }

  /**
   * Moves `run` on if it still is where the caller saw it: same attempt, and a state that `cause` may lead away from.
   * Gives undefined when it is not, and then nothing has happened.
   */
  async move(
    transaction: Transaction,
    run: Pick<RunRow, 'id' | 'attempt'>,
    to: Exclude<RunState, 'expected' | 'due'>,
    cause: Cause,
    changes: RunChanges = {},
  ): Promise<RunRow | undefined> {
    const all: RunChanges = { ...(isTerminal(to) ? { finished_at: this.clock.now() } : {}), ...changes };
    const columns = Object.entries(all);
    const values = columns.map(([column, value]) => (JSON_COLUMNS.has(column) && value !== null ? JSON.stringify(value) : value));
    const assignments = ['state = $4', ...columns.map(([column], index) => `${column} = $${index + 5}`)].join(', ');
    const [row] = await transaction.query<RunRow>(
      `UPDATE runs SET ${assignments} WHERE id = $1 AND attempt = $2 AND state = ANY ($3::text[]) RETURNING *`,
      [run.id, run.attempt, statesBefore(to, cause), to, ...values],
    );
    if (row) {
      await this.tell(transaction, row);
      transaction.afterCommit(() => this.onMoved(row));
    }
    if (row && isTerminal(to)) await this.discardUnaccepted(transaction, row);
    return row;
  }

  /**
   * An attempt that was given up may have committed without anyone having heard of it: such snapshots leave the repository. Not where
   * the database itself may have forgotten what it heard: that attempt may have been accepted long ago, and a rebuild of the catalog
   * finds its snapshot.
   */
  async discardUnaccepted(transaction: Transaction, run: RunRow): Promise<void> {
    if (run.type !== 'backup') return;
    const currentToo = isTerminal(run.state) && run.state !== 'succeeded' && run.state !== 'partial';
    const attempts = await transaction.query<GivenUpAttempt>(
      `SELECT attempt, snapshot, queued_at, reported_at FROM attempts WHERE run_id = $1 AND (attempt < $2 OR $3) ORDER BY attempt`,
      [run.id, run.attempt, currentToo],
    );
    if (attempts.length === 0) return;
    const forgottenUntil = await this.memory.forgottenUntil(transaction);
    for (const attempt of attempts) {
      if (attempt.reported_at || attempt.queued_at >= forgottenUntil) await this.discard(transaction, run, attempt);
      else if (await this.isFirstLeft(transaction, run, attempt))
        await recordOwnAct(this.outbox, transaction, run.organization_id, {
          action: 'snapshot.left',
          target: { kind: 'snapshot', id: attempt.snapshot },
          details: {
            repository: run.repository_id,
            run: run.id,
            attempt: attempt.attempt,
            reason:
              'the database may have forgotten that this attempt was accepted; a rebuild of the catalog, which follows by itself, finds what it committed',
          },
        });
    }
  }

  private async isFirstLeft(transaction: Transaction, run: RunRow, { attempt }: GivenUpAttempt): Promise<boolean> {
    const rows = await transaction.query(
      `UPDATE attempts SET left_at = $3 WHERE run_id = $1 AND attempt = $2 AND left_at IS NULL AND reported_at IS NULL RETURNING 1`,
      [run.id, attempt, this.clock.now()],
    );
    return rows.length > 0;
  }

  private async discard(transaction: Transaction, run: RunRow, { attempt, snapshot }: GivenUpAttempt): Promise<void> {
    await transaction.query(`UPDATE attempts SET discarded_at = COALESCE(discarded_at, $3) WHERE run_id = $1 AND attempt = $2`, [
      run.id,
      attempt,
      this.clock.now(),
    ]);
    await this.outbox.command(transaction, QUEUES.storage, 'snapshot.discard.v1', {
      organization: run.organization_id,
      repository: run.repository_id,
      snapshot,
      run: run.id,
    });
  }

  /** Another attempt: from `due` the first one, from `running` the next. A backup gets a snapshot id of its own, so that a lost attempt's late commit can't be in its way. */
  async queueAttempt(
    transaction: Transaction,
    run: RunRow,
    cause: Cause,
    changes: RunChanges & { not_before: Date },
  ): Promise<RunRow | undefined> {
    const attempt = run.attempt + 1;
    const snapshot = run.type === 'backup' ? `snapshot_${randomUUID().replaceAll('-', '')}` : run.snapshot;
    const queued = await this.move(transaction, run, 'queued', cause, {
      admitted_at: null,
      waiting_for: null,
      ...changes,
      attempt,
      snapshot,
      queued_at: this.clock.now(),
      dispatched_at: null,
      dispatches: 0,
      worker: null,
      heartbeat_at: null,
      progress: null,
    });
    if (queued) {
      await transaction.query(`INSERT INTO attempts (run_id, attempt, organization_id, snapshot, queued_at) VALUES ($1, $2, $3, $4, $5)`, [
        run.id,
        attempt,
        run.organization_id,
        snapshot,
        this.clock.now(),
      ]);
    }
    return queued;
  }

  private async tell(transaction: Transaction, row: RunRow): Promise<void> {
    await this.outbox.event(transaction, 'run.changed.v1', {
      organization: row.organization_id,
      run: row.id,
      type: row.type,
      state: row.state,
      attempt: row.attempt,
      ...(row.server_id ? { server: row.server_id } : {}),
      ...(row.plan_id ? { plan: row.plan_id } : {}),
      ...(row.error ? { error: row.error } : {}),
      at: this.clock.now().toISOString(),
    });
  }
}

async function planOf(transaction: Transaction, id: string | null | undefined): Promise<{ name: string; priority: number } | undefined> {
  if (!id) return undefined;
  const [row] = await transaction.query<{ name: string; priority: number }>(`SELECT name, priority FROM plans WHERE id = $1`, [id]);
  return row;
}
