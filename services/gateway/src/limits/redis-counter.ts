import type { SharedRedis } from '../shared/shared-redis.js';
import type { Charge, Count, LimitCounter } from './limit-counter.js';

/** All windows of a request in one round trip. A window without an end, which a crash could leave, gets one. */
const TAKE = `
  local counts = {}
  for index, key in ipairs(KEYS) do
    local used = redis.call('INCR', key)
    local left = redis.call('PTTL', key)
    if left < 0 then
      left = tonumber(ARGV[index])
      redis.call('PEXPIRE', key, left)
    end
    counts[#counts + 1] = used
    counts[#counts + 1] = left
  end
  return counts`;

export class RedisCounter implements LimitCounter {
  constructor(private readonly redis: SharedRedis) {}

  async take(charges: readonly Charge[]): Promise<Count[]> {
    const counts = (await this.redis.run(
      TAKE,
      charges.map(({ key }) => `limits:${key}`),
      charges.map(({ windowSeconds }) => windowSeconds * 1000),
    )) as number[];
    return charges.map((_, index) => ({ used: counts[2 * index]!, resetSeconds: Math.max(1, Math.ceil(counts[2 * index + 1]! / 1000)) }));
  }
}
