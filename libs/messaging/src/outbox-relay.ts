import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';

export interface OutboxRow {
  id: string;
  kind: 'command' | 'event';
  queue: string | null;
  name: string;
  payload: unknown;
  priority: number;
  delay_ms: number;
}

/** How far a sent message has come: handled (or a dead letter, which is kept elsewhere), still to be handled, or not there at all. */
export type SentState = 'done' | 'waiting' | 'lost';

/** Where the relay carries messages to. */
export interface RelayTarget {
  /** Resolves when the queues have all of them; the same rows may come again, with the same ids. */
  publish(rows: OutboxRow[]): Promise<void>;
  /** Undefined where a queue loses nothing: what is sent there is out of our hands. */
  stateOf?: (row: OutboxRow) => Promise<SentState>;
}

const BATCH = 200;
/** The latest that a message of a process killed between commit and relay waits for another replica. */
const POLL_MS = 5_000;
/** Where a queue can lose messages, what was sent is looked at again, too. */
const CHECKING_POLL_MS = 1_000;
const FIRST_PAUSE_AFTER_FAILURE_MS = 2_000;
const LONGEST_PAUSE_MS = 5_000;
/** Most messages are handled at once. */
const FIRST_CHECK = '2 seconds';
/** What waits longer (a run in progress, a full queue) is looked at so often; the longest that a lost message stays away. */
const NEXT_CHECK = '15 seconds';
const PRUNE_EVERY_MS = 60 * 60_000;
/** Longer than any dead letter is expected to wait for its retry. */
const KEEP_PROCESSED = '60 days';

/**
 * Carries what is committed in an outbox to the queues, and again what a queue has lost before it was handled. Any number
 * of replicas may run; rows are taken by SKIP LOCKED.
 */
export class OutboxRelay {
  private readonly stopped = new AbortController();
  private readonly loop: Promise<void>;
  private wakeUp: () => void = () => undefined;
  private awake = false;
  private prunedAt = 0;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly target: RelayTarget,
    private readonly onError: (error: Error) => void,
  ) {
    this.loop = this.run();
  }

  /** Something was committed just now. */
  wake(): void {
    this.awake = true;
    this.wakeUp();
  }

  async close(): Promise<void> {
    this.stopped.abort();
    this.wakeUp();
    await this.loop;
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.stopped.signal.aborted;) {
      this.awake = false;
      try {
        const relayed = Math.max(await this.relayBatch(), await this.checkBatch());
        await this.pruneNowAndThen();
        failures = 0;
        if (relayed < BATCH) await this.pause(this.target.stateOf ? CHECKING_POLL_MS : POLL_MS);
      } catch (error) {
        this.onError(error as Error);
        await this.pause(Math.min(FIRST_PAUSE_AFTER_FAILURE_MS * 2 ** failures++, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2), {
          evenWhenWoken: true,
        });
      }
    }
  }

  /** One transaction: rows go only when the queues have them. Killed in between, they are sent again under the same ids. */
  private relayBatch(): Promise<number> {
    return this.database.asSystem('relay the outbox', async (transaction) => {
      const rows = await transaction.query<OutboxRow>(
        `SELECT id, kind, queue, name, payload, priority, delay_ms FROM outbox WHERE check_at IS NULL ORDER BY sequence LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`,
      );
      if (rows.length === 0) return 0;
      await this.target.publish(rows);
      if (this.target.stateOf) await this.checkLater(transaction, rows, FIRST_CHECK);
      else await this.forget(transaction, rows);
      return rows.length;
    });
  }

  /** A queue that lost a message gets it again under the same id, which its consumer knows if it was handled after all. */
  private checkBatch(): Promise<number> {
    const { stateOf, publish } = this.target;
    if (!stateOf) return Promise.resolve(0);
    return this.database.asSystem('check what was sent', async (transaction) => {
      const rows = await transaction.query<OutboxRow>(
        `SELECT id, kind, queue, name, payload, priority, delay_ms FROM outbox WHERE check_at < now() ORDER BY check_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`,
      );
      if (rows.length === 0) return 0;
      const states = await Promise.all(rows.map((row) => stateOf(row)));
      const those = (state: SentState) => rows.filter((_row, index) => states[index] === state);
      await publish(those('lost'));
      await this.forget(transaction, those('done'));
      await this.checkLater(transaction, [...those('waiting'), ...those('lost')], NEXT_CHECK);
      return rows.length;
    });
  }

  private async forget(transaction: Transaction, rows: OutboxRow[]): Promise<void> {
    await transaction.query('DELETE FROM outbox WHERE id = ANY($1)', [rows.map((row) => row.id)]);
  }

  private async checkLater(transaction: Transaction, rows: OutboxRow[], after: string): Promise<void> {
    await transaction.query('UPDATE outbox SET check_at = now() + $2::interval WHERE id = ANY($1)', [rows.map((row) => row.id), after]);
  }

  private async pruneNowAndThen(): Promise<void> {
    if (Date.now() - this.prunedAt < PRUNE_EVERY_MS) return;
    this.prunedAt = Date.now();
    await this.database.asSystem('forget old message ids', (transaction) =>
      transaction.query(`DELETE FROM processed_messages WHERE processed_at < now() - $1::interval`, [KEEP_PROCESSED]),
    );
  }

  private async pause(durationMs: number, options: { evenWhenWoken?: boolean } = {}): Promise<void> {
    if (this.stopped.signal.aborted || (this.awake && !options.evenWhenWoken)) return;
    const ended = new AbortController();
    this.wakeUp = () => {
      if (this.stopped.signal.aborted || !options.evenWhenWoken) ended.abort();
    };
    await sleep(durationMs, undefined, { signal: ended.signal }).catch(() => undefined);
    this.wakeUp = () => undefined;
  }
}
