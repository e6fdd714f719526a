import { isDeepStrictEqual } from 'node:util';
import type { Answer, CommandPayload, Question, RunProgress } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { signalLive } from '../live/live-signal.js';
import type { LogStreams } from '../log-streams/log-streams.js';
import type { AttemptEnd } from './attempt-end.js';
import type { RunLedger } from './run-ledger.js';
import { writeRunLog } from './run-log.js';
import { isTerminal } from './run-states.js';
import { lockRun, type RunRow } from './runs.table.js';

interface Sender {
  run: string;
  attempt: number;
  /** Absent where a message does not name its worker. */
  worker?: string;
}

/**
 * Takes what workers say. A message counts only when it is of the run's current attempt and of the worker that has it;
 * all others (late, repeated, of a worker that was given up) change nothing.
 */
export class AttemptMessages {
  constructor(
    private readonly messaging: Messaging,
    private readonly ledger: RunLedger,
    private readonly attemptEnd: AttemptEnd,
    private readonly streams: LogStreams,
    private readonly clock: Clock,
  ) {}

  /** Gives the attempt to the one who asks first. Whoever is not given it must not begin. */
  async claim(transaction: Transaction, claim: Question<'attempt.claim.v1'>): Promise<Answer<'attempt.claim.v1'>> {
    return { granted: (await this.acceptAlive(transaction, claim)) !== undefined };
  }

  /** Of workers older than the claim. */
  async started(transaction: Transaction, message: CommandPayload<'attempt.started.v1'>): Promise<void> {
    await this.acceptAlive(transaction, message);
  }

  async heartbeat(transaction: Transaction, message: CommandPayload<'attempt.heartbeat.v1'>): Promise<void> {
    await this.acceptAlive(transaction, message);
  }

  async progress(transaction: Transaction, { run: id, attempt, ...progress }: RunProgress): Promise<void> {
    const run = await this.current(transaction, { run: id, attempt });
    if (run?.state !== 'running') return;
    // Progress overtakes progress on the way.
    if (run.progress && Date.parse(run.progress.at) > Date.parse(progress.at)) return;
    const moved = !isDeepStrictEqual({ ...run.progress, at: null }, { ...progress, at: null });
    await transaction.query(
      `UPDATE runs SET progress = $3, heartbeat_at = $4, progressed_at = CASE WHEN $5 THEN $4 ELSE progressed_at END WHERE id = $1 AND attempt = $2 AND state = 'running'`,
      [id, attempt, JSON.stringify(progress), this.clock.now(), moved],
    );
    await this.streams.progressed(transaction, run, progress);
    const { organization_id: organization, server_id: server } = run;
    signalLive(this.messaging, transaction, { organization, run: id, kind: 'progress', server, attempt, progress });
  }

  /** Of an earlier attempt it doesn't count: who follows now tells of the same bytes again. */
  async committed(transaction: Transaction, message: CommandPayload<'log.committed.v1'>): Promise<void> {
    const run = await this.acceptAlive(transaction, message);
    if (run) await this.streams.committed(transaction, run, message);
  }

  /** Lines of an earlier attempt are kept too: they tell why it ended. */
  async log(transaction: Transaction, message: CommandPayload<'attempt.log.v1'>): Promise<void> {
    const run = await lockRun(transaction, message.run);
    if (!run || message.attempt > run.attempt) return;
    if (message.attempt === run.attempt)
      await transaction.query(`UPDATE runs SET progressed_at = $2 WHERE id = $1 AND state = 'running'`, [run.id, this.clock.now()]);
    await writeRunLog(this.messaging, transaction, run, message.attempt, message.lines);
  }

  async finished(transaction: Transaction, message: CommandPayload<'attempt.finished.v1'>): Promise<void> {
    // The end may overtake the start on the queue.
    const run = await this.acceptAlive(transaction, message);
    if (run) await this.attemptEnd.byResult(transaction, run, message.result);
    else await this.refuseLate(transaction, message);
  }

  /** What a given-up attempt committed after all belongs to nobody. */
  private async refuseLate(transaction: Transaction, message: CommandPayload<'attempt.finished.v1'>): Promise<void> {
    const run = await lockRun(transaction, message.run);
    if (run) await this.ledger.discardUnaccepted(transaction, run);
  }

  /** Gives the running run, its first sign of life included; undefined when the sender is not the one who has it. */
  private async acceptAlive(transaction: Transaction, sender: Required<Sender>): Promise<RunRow | undefined> {
    const run = await this.current(transaction, sender);
    if (!run) return undefined;
    const now = this.clock.now();
    if (run.state === 'running') {
      await transaction.query(`UPDATE runs SET heartbeat_at = $2 WHERE id = $1`, [run.id, now]);
      return run;
    }
    await transaction.query(`UPDATE attempts SET worker = $3, started_at = $4 WHERE run_id = $1 AND attempt = $2`, [
      run.id,
      run.attempt,
      sender.worker,
      now,
    ]);
    // It was paused after it had been sent.
    if (run.pause) await this.messaging.signal('run.pause', { run: run.id });
    return this.ledger.move(transaction, run, 'running', 'worker', {
      worker: sender.worker,
      heartbeat_at: now,
      progressed_at: now,
      started_at: run.started_at ?? now,
    });
  }

  private async current(transaction: Transaction, sender: Sender): Promise<RunRow | undefined> {
    const run = await lockRun(transaction, sender.run);
    if (!run) return undefined;
    const waiting = run.state === 'queued' && run.dispatched_at !== null;
    const held = run.state === 'running' && (sender.worker === undefined || run.worker === sender.worker);
    if (run.attempt === sender.attempt && (waiting || held)) return run;
    // Whoever works on a run that has ended (cancelled before it started, given up as lost), or that a later attempt took over,
    // should stop; its next heartbeat repeats this.
    if (isTerminal(run.state) || sender.attempt < run.attempt)
      await this.messaging.signal('run.cancel', { run: run.id, attempt: sender.attempt });
    return undefined;
  }
}
