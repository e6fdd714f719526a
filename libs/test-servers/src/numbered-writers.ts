import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface NumberedRow {
  session: number;
  n: number;
}

interface WrittenRow extends NumberedRow {
  /** Milliseconds, rounded down. */
  sentAt: number;
  acknowledgedAt?: number;
}

/** Sessions that write numbered rows, each in a transaction of its own, through failures of the server; they know what was acknowledged when. */
export class NumberedWriters {
  private readonly rows: WrittenRow[] = [];
  private readonly sessions: Promise<void>[];
  private stopping = false;

  private constructor(
    private readonly connect: () => Promise<pg.Client>,
    count: number,
  ) {
    this.sessions = Array.from({ length: count }, (_, session) => this.write(session));
  }

  static async start(connect: () => Promise<pg.Client>, sessions: number): Promise<NumberedWriters> {
    const client = await connect();
    await client.query('CREATE TABLE numbered (session int, n int, filler text, PRIMARY KEY (session, n))');
    await client.end();
    return new NumberedWriters(connect, sessions);
  }

  /** What a server holds of it. */
  static async read({
    host,
    port,
    user,
    password,
  }: {
    host: string;
    port: number;
    user: string;
    password: string;
  }): Promise<NumberedRow[]> {
    const client = new pg.Client({ host, port, user, password, database: 'postgres' });
    await client.connect();
    try {
      return (await client.query<NumberedRow>('SELECT session, n FROM numbered')).rows;
    } finally {
      await client.end();
    }
  }

  get acknowledged(): number {
    return this.rows.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined).length;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.sessions);
  }

  /** A moment, in milliseconds, between what was acknowledged first and last; `share` of the way. */
  momentAt(share: number): number {
    const times = this.rows.flatMap(({ acknowledgedAt }) => acknowledgedAt ?? []).sort((a, b) => a - b);
    const at = times[Math.floor(share * (times.length - 1))];
    if (at === undefined) throw new Error('Nothing was written');
    return at;
  }

  /** What a server restored to this moment, by its own account, has wrongly. */
  judge(found: readonly NumberedRow[], moment: number): { missing: string[]; tooNew: string[]; expected: number } {
    const there = new Set(found.map(({ session, n }) => `${session}/${n}`));
    // Times are rounded down: only what was surely acknowledged before the moment must be there, only what was surely sent after it must not.
    const due = this.rows.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined && acknowledgedAt < moment);
    const late = this.rows.filter(({ sentAt }) => sentAt > moment);
    const name = ({ session, n }: WrittenRow) => `${session}/${n}`;
    return {
      missing: due.map(name).filter((row) => !there.has(row)),
      tooNew: late.map(name).filter((row) => there.has(row)),
      expected: due.length,
    };
  }

  private async write(session: number): Promise<void> {
    let client: pg.Client | undefined;
    for (let n = 0; !this.stopping; n++) {
      const row: WrittenRow = { session, n, sentAt: Date.now() };
      try {
        client ??= await this.connect();
        row.sentAt = Date.now();
        this.rows.push(row);
        await client.query('INSERT INTO numbered VALUES ($1, $2::int, repeat(md5($2::int::text), 10))', [session, n]);
        row.acknowledgedAt = Date.now();
      } catch (error) {
        // A statement that is wrong stays wrong.
        if (error instanceof pg.DatabaseError && error.code?.startsWith('42')) throw error;
        // Whether this row is in is known to nobody.
        client?.end().catch(() => undefined);
        client = undefined;
        await sleep(50);
      }
    }
    await client?.end().catch(() => undefined);
  }
}
