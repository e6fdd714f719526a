import type { Finding, PostgresqlConnection } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';

const LOOK_EVERY_MS = 15_000;

export interface WatchOrders {
  label: string;
  heartbeatSeconds: number;
  /** When a transaction's end last came in the log. */
  lastTransactionSeenAt(): number;
  /** What of the server's state concerns people; each finding is told once. */
  look(client: DisposableClient): Promise<Finding[]>;
  onFinding(finding: Finding): void;
  signal: AbortSignal;
}

/** Looks at the server, and makes transactions on an idle one, on an ordinary connection of its own. Its failures are not the follower's. */
export class SourceWatch implements AsyncDisposable {
  private readonly timer: NodeJS.Timeout;
  private client?: DisposableClient;
  private busy?: Promise<void>;
  private lookedAt = 0;
  private beatAt = Date.now();
  private readonly told = new Set<string>();
  private readonly ended = new AbortController();

  constructor(
    private readonly connection: PostgresqlConnection,
    private readonly orders: WatchOrders,
  ) {
    this.timer = setInterval(() => (this.busy ??= this.turn().finally(() => (this.busy = undefined))), 500);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer);
    // Else a query to a server that is gone would be waited for.
    this.ended.abort();
    await this.busy;
    await this.client?.[Symbol.asyncDispose]();
  }

  private async turn(): Promise<void> {
    const now = Date.now();
    const beatMs = this.orders.heartbeatSeconds * 1000;
    const beat = beatMs > 0 && now - Math.max(this.orders.lastTransactionSeenAt(), this.beatAt) >= beatMs;
    const look = now - this.lookedAt >= LOOK_EVERY_MS;
    if (!beat && !look) return;
    try {
      const client = (this.client ??= await this.connect());
      if (look) await this.look(client);
      if (beat) await this.beat(client);
    } catch {
      // The follower's own connection tells what is wrong with the server; this one is made again at the next turn.
      await this.client?.[Symbol.asyncDispose]();
      this.client = undefined;
    }
    if (look) this.lookedAt = now;
    if (beat) this.beatAt = now;
  }

  private connect(): Promise<DisposableClient> {
    const { label } = this.orders;
    const signal = AbortSignal.any([this.orders.signal, this.ended.signal]);
    return connectClient(this.connection, { database: this.connection.maintenanceDatabase, label, signal });
  }

  private async look(client: DisposableClient): Promise<void> {
    for (const finding of await this.orders.look(client)) {
      if (this.told.has(finding.code)) continue;
      this.told.add(finding.code);
      this.orders.onFinding(finding);
    }
  }

  /** A transaction with a number of its own leaves its end in the log; no right is needed for it. A standby can't make one. */
  private async beat(client: DisposableClient): Promise<void> {
    await client.query('SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_xact_id()::text END');
  }
}
