import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { AuthenticatedSubject } from '@rahat/contracts';
import type { Response } from 'express';
import { gatewayConfig } from '../config.js';
import { classOf } from './endpoint-class.js';
import { EntranceQueue } from './entrance-queue.js';
import type { LimitCounter } from './limit-counter.js';
import { MemoryCounter } from './memory-counter.js';
import { PatientCounter } from './patient-counter.js';
import { RequestLimits } from './request-limits.js';

class AnswerOfATest extends EventEmitter {
  readonly headers = new Map<string, string>();
  closed = false;
  headersSent = false;
  setHeader = (name: string, value: string) => void this.headers.set(name, value);
  getHeader = (name: string) => this.headers.get(name);
  close(): void {
    this.closed = true;
    this.emit('close');
  }
}
const answer = () => new AnswerOfATest() as unknown as AnswerOfATest & Response;

describe('classes of endpoints', () => {
  it.each([
    ['GET', '/api/v2/plans', 'read'],
    ['HEAD', '/api/v2/plans/plan_1', 'read'],
    ['PATCH', '/api/v2/plans/plan_1', 'write'],
    ['POST', '/api/v2/plans/plan_1/runs', 'write'],
    ['POST', '/api/v2/restores', 'heavy'],
    ['POST', '/API/V2/Restores/?x=1', 'heavy'],
    ['POST', '/api/v2/runs/run_1/safety-copy', 'heavy'],
    ['GET', '/api/v2/restores/safety-copies', 'read'],
    ['GET', '/api/v2/restore-plans/restore-plan_1', 'read'],
    ['GET', '/api/v2/search?q=a', 'heavy'],
    ['GET', '/api/v2/documents', 'heavy'],
    ['POST', '/api/v2/documents/apply', 'heavy'],
    ['GET', '/api/v2/audit/verify', 'heavy'],
    ['POST', '/api/v2/backups/backup_1/verify', 'heavy'],
    ['GET', '/api/v2/audit/export', 'heavy'],
    ['GET', '/api/v2/backups/backup_1/rows?schema=public&name=orders', 'heavy'],
    ['POST', '/api/v2/servers/server_1/test', 'heavy'],
  ])('%s %s is %s', (method, url, expected) => expect(classOf(method, url)).toBe(expected));
});

describe('limits', () => {
  const subject = (change: Partial<AuthenticatedSubject> = {}) => ({ kind: 'user', subject: 'user_1', ...change }) as AuthenticatedSubject;
  const config = gatewayConfig.parse({
    RAHAT_GATEWAY_ADDRESS_REQUESTS_PER_MINUTE: 100,
    RAHAT_GATEWAY_READS_PER_MINUTE: 2,
    RAHAT_GATEWAY_WRITES_PER_MINUTE: 1,
  });

  it('hold for each user and class, are told by every answer, and end', async () => {
    let now = 0;
    const refused: string[] = [];
    const limits = new RequestLimits(new MemoryCounter(() => now), config, (policy) => void refused.push(policy));
    const ask = async (who: AuthenticatedSubject, endpoint: 'read' | 'write') => {
      const response = answer();
      const outcome = await limits.charge(response, [limits.address('10.0.0.1'), ...limits.subject(who, endpoint)]).then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      );
      return { outcome, headers: Object.fromEntries(response.headers) };
    };
    expect(await ask(subject(), 'read')).toEqual({
      outcome: 'allowed',
      headers: { 'RateLimit-Policy': '"address";q=100;w=60, "read";q=2;w=60', RateLimit: '"address";r=99;t=60, "read";r=1;t=60' },
    });
    expect((await ask(subject(), 'write')).outcome).toBe('allowed');
    expect((await ask(subject(), 'read')).outcome).toBe('allowed');
    now = 20_000;
    const third = await ask(subject(), 'read');
    expect(third).toMatchObject({
      outcome: 'rate_limited',
      headers: { 'Retry-After': '40', RateLimit: '"address";r=96;t=40, "read";r=0;t=40' },
    });
    expect((await ask(subject({ subject: 'user_2' }), 'read')).outcome).toBe('allowed');
    expect(refused).toEqual(['read']);
    now = 60_000;
    expect((await ask(subject(), 'read')).outcome).toBe('allowed');
  });

  it('hold a key to its own one, over all classes', async () => {
    const limits = new RequestLimits(new MemoryCounter(), config);
    const key = subject({ kind: 'api-key', subject: 'key_1', requestsPerMinute: 2 });
    await limits.charge(answer(), limits.subject(key, 'read'));
    await limits.charge(answer(), limits.subject(key, 'write'));
    await expect(limits.charge(answer(), limits.subject(key, 'read'))).rejects.toMatchObject({
      code: 'rate_limited',
      message: expect.stringContaining('api-key'),
    });
  });
});

describe('counting with others', () => {
  const reporting = () => {
    const reports: string[] = [];
    return {
      reports,
      away: () => void reports.push('away'),
      back: () => void reports.push('back'),
      countedAlone: () => void reports.push('alone'),
    };
  };
  const one = [{ key: 'a', windowSeconds: 60 }];

  it.each([
    ['hangs', () => new Promise<never>(() => undefined)],
    ['fails', () => Promise.reject(new Error('away'))],
  ])('goes on alone while the shared counter %s, says so once, and comes back', async (_how, fault) => {
    let now = 0;
    let asked = 0;
    let isAway = true;
    const shared: LimitCounter = { take: () => (asked++, isAway ? fault() : Promise.resolve([{ used: 41, resetSeconds: 5 }])) };
    const told = reporting();
    const counter = new PatientCounter(shared, told, () => now);
    expect(await counter.take(one)).toEqual([{ used: 1, resetSeconds: 60 }]);
    expect(await counter.take(one)).toMatchObject([{ used: 2 }]);
    // Only the first request waited for it.
    expect(asked).toBe(1);
    now = 1_500;
    expect(await counter.take(one)).toMatchObject([{ used: 3 }]);
    expect([asked, told.reports]).toEqual([2, ['away', 'alone', 'alone', 'alone']]);
    isAway = false;
    now = 3_000;
    expect(await counter.take(one)).toEqual([{ used: 41, resetSeconds: 5 }]);
    expect(told.reports.at(-1)).toBe('back');
  });
});

describe('the entrance', () => {
  it('lets so many in at once, the next one when one is answered, and sends away who waits too long or one too many', async () => {
    const queue = new EntranceQueue(2, 50);
    const [first, second] = [answer(), answer()];
    await queue.enter(first);
    await queue.enter(second);
    let entered = false;
    const third = answer();
    const turn = queue.enter(third).then(() => (entered = true));
    await Promise.resolve();
    expect(entered).toBe(false);
    first.close();
    await turn;
    const late = answer();
    await expect(queue.enter(late)).rejects.toMatchObject({ code: 'unavailable' });
    expect(late.headers.get('Retry-After')).toBe('2');
    const crowd = Array.from({ length: 65 }, () => queue.enter(answer()).catch((error: { code: string }) => error.code));
    expect(await crowd.at(-1)).toBe('unavailable');
    await Promise.all(crowd);
    second.close();
    third.close();
    await queue.enter(answer());
  });

  it('keeps no place for who has gone', async () => {
    const queue = new EntranceQueue(1, 10_000);
    const first = answer();
    await queue.enter(first);
    const gone = answer();
    const waiting = queue.enter(gone).catch(() => 'left');
    gone.close();
    expect(await waiting).toBe('left');
    first.close();
    const closed = answer();
    closed.closed = true;
    await queue.enter(closed);
    await queue.enter(answer());
  });
});
