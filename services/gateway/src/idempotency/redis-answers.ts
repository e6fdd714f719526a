import { randomUUID } from 'node:crypto';
import type { SharedRedis } from '../shared/shared-redis.js';
import { CLAIM_SECONDS, KEPT_SECONDS, type AnswerStore, type Claim, type ClaimedRequest, type KeptAnswer } from './answer-store.js';

const CLAIM = `
  local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'answer')
  if not known[1] then
    redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'token', ARGV[2])
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    return {'mine'}
  end
  if known[1] ~= ARGV[1] then return {'other'} end
  if known[2] then return {'done', known[2]} end
  return {'under-way'}`;

/** Only for who holds the claim, and only while it is one. */
const ifMine = (act: string) => `
  if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'answer') == 1 then return 0 end
  ${act}
  return 1`;
const RENEW = ifMine(`redis.call('EXPIRE', KEYS[1], ARGV[2])`);
const SETTLE = ifMine(`redis.call('HSET', KEYS[1], 'answer', ARGV[3]) redis.call('EXPIRE', KEYS[1], ARGV[2])`);
const RELEASE = ifMine(`redis.call('DEL', KEYS[1])`);

export class RedisAnswers implements AnswerStore {
  constructor(
    private readonly redis: SharedRedis,
    private readonly claimSeconds = CLAIM_SECONDS,
  ) {}

  async claim(request: ClaimedRequest): Promise<Claim> {
    const token = randomUUID();
    const [state, answer] = (await this.redis.run(CLAIM, [keyOf(request)], [request.fingerprint, token, this.claimSeconds])) as string[];
    if (state === 'mine') return { state, token };
    if (state === 'done') return { state, answer: JSON.parse(answer!) as KeptAnswer | null };
    return { state: state as 'other' | 'under-way' };
  }

  async renew(request: ClaimedRequest, token: string): Promise<void> {
    await this.redis.run(RENEW, [keyOf(request)], [token, this.claimSeconds]);
  }

  async settle(request: ClaimedRequest, token: string, answer: KeptAnswer | null): Promise<void> {
    await this.redis.run(SETTLE, [keyOf(request)], [token, KEPT_SECONDS, JSON.stringify(answer)]);
  }

  async release(request: ClaimedRequest, token: string): Promise<void> {
    await this.redis.run(RELEASE, [keyOf(request)], [token]);
  }
}

function keyOf({ organization, id }: ClaimedRequest): string {
  return `answers:${organization}:${id}`;
}
