import type { ServiceDatabase } from '@rahat/persistence';
import type { Charge, Count, LimitCounter } from './limit-counter.js';

/** For several gateways without a Redis. */
export class PostgresqlCounter implements LimitCounter {
  constructor(private readonly database: ServiceDatabase) {}

  async take(charges: readonly Charge[]): Promise<Count[]> {
    const rows = await this.database.asSystem('count requests', (transaction) =>
      transaction.query<{ key: string; used: number; seconds: number }>(
        // In the order of keys, so that two requests never wait for each other.
        `INSERT INTO request_counts AS known (key, used, ends_at)
         SELECT key, 1, now() + make_interval(secs => seconds) FROM unnest($1::text[], $2::int[]) AS charge (key, seconds) ORDER BY key
         ON CONFLICT (key) DO UPDATE SET
           used = CASE WHEN known.ends_at <= now() THEN 1 ELSE known.used + 1 END,
           ends_at = CASE WHEN known.ends_at <= now() THEN excluded.ends_at ELSE known.ends_at END
         RETURNING key, used, ceil(extract(epoch FROM ends_at - now()))::int AS seconds`,
        [charges.map(({ key }) => key), charges.map(({ windowSeconds }) => windowSeconds)],
      ),
    );
    const counts = new Map(rows.map(({ key, used, seconds }) => [key, { used, resetSeconds: Math.max(1, seconds) }]));
    return charges.map(({ key }) => counts.get(key)!);
  }
}
