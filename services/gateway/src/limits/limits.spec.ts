import { describe, expect, it } from '@jest/globals';
import type { AuthenticatedSubject } from '@rahat/contracts';
import { gatewayConfig } from '../config.js';
import { answerOfATest as answer } from '../testing/answer-of-a-test.js';
import { classOf } from './endpoint-class.js';
import type { LimitCounter } from './limit-counter.js';
import { MemoryCounter } from './memory-counter.js';
import { PatientCounter } from './patient-counter.js';
import { RequestLimits } from './request-limits.js';

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

  it('hold for a whole network of IPv6, and for an IPv4 address however it is written', async () => {
    const limits = new RequestLimits(new MemoryCounter(), gatewayConfig.parse({ RAHAT_LOGIN_TRIES_PER_MINUTE: 2 }));
    const tryFrom = (address: string) =>
      limits.charge(answer(), [limits.entrance(address), limits.address(address), limits.waitingRoom(address)]).then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      );
    const outcomes = async (addresses: string[]) => {
      const all: string[] = [];
      for (const address of addresses) all.push(await tryFrom(address));
      return all;
    };
    const expected = ['allowed', 'allowed', 'rate_limited', 'allowed'];
    expect(await outcomes(['2001:db8::1', '2001:db8::2', '2001:DB8:0:0:ffff::3%eth0', '2001:db8:0:1::1'])).toEqual(expected);
    expect(await outcomes(['203.0.113.7', '::ffff:203.0.113.7', '::ffff:cb00:7107', '::ffff:203.0.113.8'])).toEqual(expected);
    for (const policy of [limits.entrance('2001:db8::1'), limits.address('2001:db8::1'), limits.waitingRoom('2001:db8::1')])
      expect(policy.who).toBe('2001:db8:0:0::/64');
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
