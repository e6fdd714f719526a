import fc from 'fast-check';

const MINUTE_MS = 60_000;

/** Something that happens to a backup or a run; `pick` chooses among those that the same writer made. */
export type ProtectionChange =
  | ({ does: 'run'; line: number; cause: string } & Outcome)
  /** Without a time it is due as before. */
  | ({ does: 'move'; pick: number } & Omit<Outcome, 'due'> & { due: number | null })
  | { does: 'forget'; pick: number }
  | { does: 'backup'; line: number; state: string; at: number; provenAt: number | null; proof: string }
  | { does: 'judge'; pick: number; proof: string; provenAt: number | null }
  | { does: 'remove' | 'return' | 'lose' | 'find' | 'tell' | 'erase'; pick: number }
  | { does: 'verify'; pick: number; state: string; at: number; error: string | null };

interface Outcome {
  state: string;
  due: number;
  at: number;
  error: string | null;
}

/** A line is a place in `lines`, a moment in minutes from `base`. */
export interface World {
  organization: string;
  base: Date;
  lines: readonly { server: string; plan: string | null; database: string | null }[];
}

type Query = (sql: string, parameters: unknown[]) => Promise<unknown>;

/** Few values, so that much stays the same in a change, and moments coincide. */
const minutes = fc.integer({ min: -6, max: 6 }).map((hours) => hours * 45);
const pick = fc.nat({ max: 20 });
const error = fc.constantFrom(null, 'unreachable', 'denied');
const proof = fc.constantFrom('stored', 'BASIC', 'FULL', 'damaged');
const state = fc.oneof(
  fc.constantFrom('expected', 'due', 'queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped'),
  fc.constantFrom('succeeded', 'failed', 'failed'),
);
const outcome = { state, due: minutes, at: fc.constantFrom(-45, 0, 45), error };

export const anyChange = (lines: number): fc.Arbitrary<ProtectionChange> => {
  const line = fc.nat({ max: lines - 1 });
  const change = <T extends string>(...does: T[]) => ({ does: fc.constantFrom(...does), pick });
  return fc.oneof(
    fc.record({ does: fc.constant('run' as const), line, cause: fc.constantFrom('schedule', 'schedule', 'person'), ...outcome }),
    { weight: 4, arbitrary: fc.record({ ...change('move'), ...outcome, due: fc.option(minutes, { freq: 1 }) }) },
    fc.record(change('forget')),
    fc.record({
      does: fc.constant('backup' as const),
      line,
      state: fc.constantFrom('succeeded', 'succeeded', 'partial'),
      at: minutes,
      provenAt: fc.option(minutes),
      proof,
    }),
    fc.record({ ...change('judge'), proof, provenAt: fc.option(minutes) }),
    fc.record(change('remove', 'return', 'lose', 'find', 'tell', 'erase')),
    fc.record({ ...change('verify'), state: fc.constantFrom('running', 'succeeded', 'failed', 'cancelled'), at: minutes, error }),
  );
};

/** Someone who changes backups and runs, and only those made by themselves: nobody waits for another one's row. */
export class Writer {
  private runs: string[] = [];
  private backups: string[] = [];
  private made = 0;

  constructor(
    private readonly name: string,
    private readonly world: World,
  ) {}

  /** To go back to when what follows is rolled back. */
  remember(): () => void {
    const [runs, backups] = [this.runs.slice(), this.backups.slice()];
    return () => void ([this.runs, this.backups] = [runs, backups]);
  }

  async change(query: Query, change: ProtectionChange): Promise<void> {
    switch (change.does) {
      case 'run':
        this.runs.push(await this.insertRun(query, change.line, change));
        return;
      case 'move': {
        const run = chosen(this.runs, change.pick);
        const cause = change.state === 'expected' ? `, cause = 'schedule'` : '';
        const sql = `UPDATE runs SET state = $2, due_at = COALESCE($3, due_at), finished_at = $4, error = $5, reasons = $6${cause} WHERE id = $1`;
        if (run) await query(sql, [run, ...this.outcomeOf(change)]);
        return;
      }
      case 'forget':
        await query(`DELETE FROM runs WHERE id = $1`, [this.takeOut(this.runs, change.pick)]);
        return;
      case 'backup':
        await this.insertBackup(query, change);
        return;
      case 'judge':
        await query(`UPDATE backups SET proof = $2, damaged_by = $3, proven_at = $4 WHERE id = $1`, [
          chosen(this.backups, change.pick),
          change.proof,
          change.proof === 'damaged' ? 'FULL' : null,
          this.moment(change.provenAt),
        ]);
        return;
      case 'erase':
        await query(`DELETE FROM backups WHERE id = $1`, [this.takeOut(this.backups, change.pick)]);
        return;
      case 'verify':
        await this.verify(query, change);
        return;
      default:
        await query(`UPDATE backups SET ${STANDING[change.does]} WHERE id = $1`, [chosen(this.backups, change.pick)]);
    }
  }

  private async insertRun(query: Query, line: number, outcome: Outcome & { cause: string }): Promise<string> {
    const { server, plan, database } = this.world.lines[line]!;
    const id = this.newId('run');
    // What is expected, a schedule has promised.
    const cause = outcome.state === 'expected' ? 'schedule' : outcome.cause;
    await query(
      `INSERT INTO runs (id, organization_id, type, cause, backup_type, attempt, max_attempts, plan_id, server_id, database_id, method, repository_id, deadline_minutes,
         occurs_at, evidence, worker, heartbeat_at, state, due_at, finished_at, error, reasons)
       VALUES ($1, $2, 'backup', $3, 'full', 1, 3, $4, $5, $6, 'postgresql.logical', 'r', 60, $7, '{}', 'w', now(), $8, $9, $10, $11, $12)`,
      [id, this.world.organization, cause, plan, server, database, this.uniqueMoment(), ...this.outcomeOf(outcome)],
    );
    return id;
  }

  private async insertBackup(query: Query, backup: Extract<ProtectionChange, { does: 'backup' }>): Promise<void> {
    const { server, plan, database } = this.world.lines[backup.line]!;
    const id = this.newId('backup');
    await query(
      `INSERT INTO backups (id, organization_id, snapshot, repository_id, plan_id, server_id, database_id, database_name, method, label, consistency, state, proof,
         damaged_by, proven_at, consistent_at, created_at, objects, rows, size_bytes, added_bytes, server_version, tool, findings, found)
       VALUES ($1, $2, $1, 'r', $3, $4, $5::text, $5::text, 'postgresql.logical', 'full', 'snapshot', $6, $7, $8, $9, $10, $11, 1, 1, $12, $13, '15', 'x', '[]', '{}')`,
      [
        id,
        this.world.organization,
        plan,
        server,
        database,
        backup.state,
        backup.proof,
        backup.proof === 'damaged' ? 'FULL' : null,
        this.moment(backup.provenAt),
        this.moment(backup.at - 7),
        this.moment(backup.at),
        this.made,
        this.made * 2,
      ],
    );
    this.backups.push(id);
  }

  private async verify(query: Query, { pick: place, ...verification }: Extract<ProtectionChange, { does: 'verify' }>): Promise<void> {
    const backup = chosen(this.backups, place);
    if (!backup) return;
    // Begun first, and ended as a run is: by an update.
    const id = this.newId('run');
    await query(
      `INSERT INTO runs (id, organization_id, type, cause, state, attempt, max_attempts, plan_id, server_id, database_id, method, repository_id, deadline_minutes,
         due_at, worker, heartbeat_at, backup_id, level)
       SELECT $1, organization_id, 'verification', 'person', 'running', 1, 3, plan_id, server_id, database_id, method, 'r', 60, now(), 'w', now(), id, 'BASIC'
       FROM backups WHERE id = $2`,
      [id, backup],
    );
    const [state, , finishedAt, error, reasons] = this.outcomeOf({ ...verification, due: 0 });
    const sql = `UPDATE runs SET state = $2, finished_at = $3, error = $4, reasons = $5, evidence = '{}' WHERE id = $1`;
    await query(sql, [id, state, finishedAt, error, reasons]);
  }

  private outcomeOf({ state, due, at, error }: Omit<Outcome, 'due'> & { due: number | null }): unknown[] {
    const ended = !['expected', 'due', 'queued', 'running'].includes(state);
    const told = error === null ? null : JSON.stringify({ code: error, message: error, retryable: false });
    return [state, this.moment(due), ended ? this.moment(at) : null, told, JSON.stringify([`told ${at}`])];
  }

  private moment(offset: number | null): Date | null {
    return offset === null ? null : new Date(this.world.base.getTime() + offset * MINUTE_MS);
  }

  /** A line has one run of each occurrence. */
  private uniqueMoment(): Date {
    return new Date(this.world.base.getTime() + this.made * 1000 + Number.parseInt(this.name, 36));
  }

  private newId(kind: string): string {
    this.made += 1;
    return `${kind}_${this.world.organization}_${this.name}_${String(this.made).padStart(5, '0')}`;
  }

  private takeOut(of: string[], place: number): string | undefined {
    return of.splice(place % Math.max(1, of.length), 1)[0];
  }
}

const STANDING = {
  remove: 'removal_requested_at = now()',
  return: 'removal_requested_at = NULL',
  lose: 'missing_since = now()',
  find: 'missing_since = NULL',
  tell: `retention_reason = 'because'`,
} as const;

function chosen(of: readonly string[], place: number): string | undefined {
  return of[place % Math.max(1, of.length)];
}
