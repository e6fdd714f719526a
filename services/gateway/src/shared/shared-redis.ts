import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';

/** A script that has no answer by then gets none; who asks decides what that means. */
const COMMAND_TIMEOUT_MS = 2_000;

/** What gateways share in the Redis of the installation. Scripts fail at once while it is away. */
export class SharedRedis {
  private readonly redis: Redis;
  private readonly hashes = new Map<string, string>();

  constructor(
    url: string,
    private readonly prefix: string,
  ) {
    this.redis = new Redis(url, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: (times) => Math.min(50 * 2 ** times, 1_000),
    });
    // Whose command fails hears of it; a lost connection is made again by itself.
    this.redis.on('error', () => undefined);
  }

  /** Keys get the installation's prefix. */
  async run(script: string, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown> {
    const hash = this.hashOf(script);
    const parameters = [...keys.map((key) => `${this.prefix}:gateway:${key}`), ...values];
    try {
      return await this.redis.evalsha(hash, keys.length, ...parameters);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.redis.eval(script, keys.length, ...parameters);
    }
  }

  close(): void {
    this.redis.disconnect();
  }

  private hashOf(script: string): string {
    let hash = this.hashes.get(script);
    if (hash === undefined) {
      hash = createHash('sha1').update(script).digest('hex');
      this.hashes.set(script, hash);
    }
    return hash;
  }
}
