import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceDatabase } from '@rahat/persistence';

export interface OutboxRow {
  id: string;
  kind: 'command' | 'event';
  queue: string | null;
  name: string;
  payload: unknown;
  priority: number;
  delay_ms: number;
}

const BATCH = 200;
/** The latest that a message of a process killed between commit and relay waits for another replica. */
const POLL_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;
const PRUNE_EVERY_MS = 60 * 60_000;
/** Longer than any dead letter is expected to wait for its retry. */
const KEEP_PROCESSED = '60 days';

/** Carries what is committed in an outbox to the queues. Any number of replicas may run; rows are taken by SKIP LOCKED. */
export class OutboxRelay {
  private readonly stopped = new AbortController();
  private readonly loop: Promise<void>;
  private wakeUp: () => void = () => undefined;
  private awake = false;
  private prunedAt = 0;

  constructor(
    private readonly database: ServiceDatabase,
    /** Resolves when the queues have all of them; the same rows may come again, with the same ids. */
    private readonly publish: (rows: OutboxRow[]) => Promise<void>,
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
        const relayed = await this.relayBatch();
        await this.pruneNowAndThen();
        failures = 0;
        if (relayed < BATCH) await this.pause(POLL_MS);
      } catch (error) {
        failures++;
        this.onError(error as Error);
        await this.pause(Math.min(POLL_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2), { evenWhenWoken: true });
      }
    }
  }

  /** One transaction: rows go only when the queues have them. Killed in between, they are sent again under the same ids. */
  private relayBatch(): Promise<number> {
    return this.database.asSystem('relay the outbox', async (transaction) => {
      const rows = await transaction.query<OutboxRow>(
        `SELECT id, kind, queue, name, payload, priority, delay_ms FROM outbox ORDER BY sequence LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`,
      );
      if (rows.length === 0) return 0;
      await this.publish(rows);
      await transaction.query('DELETE FROM outbox WHERE id = ANY($1)', [rows.map((row) => row.id)]);
      return rows.length;
    });
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
