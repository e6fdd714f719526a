import type { ServiceDatabase } from '@rahat/persistence';
import type { AnswerStore } from '../idempotency/answer-store.js';
import { PostgresqlAnswers } from '../idempotency/postgresql-answers.js';
import { RedisAnswers } from '../idempotency/redis-answers.js';
import type { LimitCounter } from '../limits/limit-counter.js';
import { MemoryCounter } from '../limits/memory-counter.js';
import { PostgresqlCounter } from '../limits/postgresql-counter.js';
import { RedisCounter } from '../limits/redis-counter.js';
import { SharedRedis } from './shared-redis.js';

/** What all gateways of an installation must agree on. */
export interface SharedState {
  counter: LimitCounter;
  answers: AnswerStore;
  close(): Promise<void>;
}

/** How often rows that have had their time are taken away. */
const SWEEP_MS = 10 * 60_000;

export function sharedInRedis(url: string, prefix: string): SharedState {
  const redis = new SharedRedis(url, prefix);
  return { counter: new RedisCounter(redis), answers: new RedisAnswers(redis), close: async () => redis.close() };
}

/** Counts are shared only where there is somebody to share them with. The database stays open. */
export function sharedInDatabase(database: ServiceDatabase, gateways: 'one' | 'several'): SharedState {
  const sweeping = setInterval(() => void sweep(database).catch(() => undefined), SWEEP_MS).unref();
  return {
    counter: gateways === 'one' ? new MemoryCounter() : new PostgresqlCounter(database),
    answers: new PostgresqlAnswers(database),
    close: async () => clearInterval(sweeping),
  };
}

/** What fails is done the next time. */
export async function sweep(database: ServiceDatabase): Promise<void> {
  await database.asSystem('sweep', async (transaction) => {
    await transaction.query(`DELETE FROM request_counts WHERE ends_at <= now()`);
    await transaction.query(`DELETE FROM kept_answers WHERE expires_at <= now()`);
  });
}
