import { describe, expect, it } from '@jest/globals';
import type { AuthenticatedSubject } from '@rahat/contracts';
import { credentialOf } from './credential.js';
import { refuseForeignPage, refuseForgedRequest } from './cross-site.js';
import { doorOf } from './routes.js';
import { SubjectCache } from './subject-cache.js';

const COOKIE = `rhs_${'a'.repeat(43)}`;

describe('doors', () => {
  it.each([
    ['POST', '/api/v2/sessions', 'entrance'],
    ['POST', '/API/V2/Sessions/?x=1', 'entrance'],
    ['POST', '/api/v2/setup', 'entrance'],
    ['POST', '/api/v2/invitations/look', 'entrance'],
    ['POST', '/api/v2/invitations/accept/', 'entrance'],
    ['POST', '/api/v2/password-resets', 'entrance'],
    ['POST', '/api/v2/invitations', 'api'],
    ['DELETE', '/api/v2/invitations/accept', 'api'],
    ['POST', '/api/v2/sessions/second-factor', 'entrance'],
    ['POST', '/api/v2/sessions/passkey/', 'entrance'],
    ['POST', '/api/v2/sessions/passkey/options', 'entrance'],
    ['POST', '/api/v2/device-logins', 'entrance'],
    ['POST', '/api/v2/device-logins/token?x=1', 'waiting-room'],
    ['POST', '/api/v2/device-logins/approve', 'api'],
    ['GET', '/api/v2/device-logins/BCDF-GHJK', 'api'],
    ['GET', '/api/v2/sign-on/signon_1/start', 'entrance'],
    ['GET', '/API/v2/sign-on/signon_1/callback?code=x', 'entrance'],
    ['GET', '/api/v2/sign-on-providers', 'api'],
    ['GET', '/api/v2/setup', 'public'],
    ['DELETE', '/api/v2/sessions/current', 'api'],
    ['GET', '/api/v2/me', 'api'],
    ['GET', '/api/docs/swagger-ui.css', 'public'],
    ['GET', '/', 'public'],
    ['POST', '/internal/v1/authenticate', 'internal'],
    ['POST', '//internal/v1/authenticate', 'public'],
  ])('%s %s is %s', (method, url, door) => expect(doorOf(method, url)).toBe(door));
});

describe('credentials', () => {
  it('are a bearer token, or the session cookie among others', () => {
    expect(credentialOf({ authorization: 'Bearer abc' })).toEqual({ by: 'bearer', text: 'abc' });
    expect(credentialOf({ cookie: `a=1; rahat_session=${COOKIE}; b=2` })).toEqual({ by: 'cookie', text: COOKIE });
    expect(credentialOf({ authorization: 'Bearer abc', cookie: `rahat_session=${COOKIE}` })).toMatchObject({ by: 'bearer' });
    expect(credentialOf({})).toEqual({ by: 'nothing' });
  });
  it('count only at their own place', () => {
    expect(() => credentialOf({ authorization: `Bearer ${COOKIE}` })).toThrow('not understood');
    expect(() => credentialOf({ authorization: 'Basic YTpi' })).toThrow('not understood');
    expect(credentialOf({ cookie: 'rahat_session=rhb_key' })).toEqual({ by: 'nothing' });
    expect(credentialOf({ cookie: `xrahat_session=${COOKIE}` })).toEqual({ by: 'nothing' });
  });
});

describe('requests forged by another site', () => {
  it('are refused on every change', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(() => refuseForgedRequest(method, {})).toThrow('x-rahat-csrf');
      expect(() => refuseForgedRequest(method, { 'x-rahat-csrf': '1', 'sec-fetch-site': 'cross-site' })).toThrow('another site');
      expect(() => refuseForeignPage(method, { 'sec-fetch-site': 'same-site' })).toThrow('another site');
      expect(() => refuseForgedRequest(method, { 'x-rahat-csrf': '1', 'sec-fetch-site': 'same-origin' })).not.toThrow();
    }
    expect(() => refuseForgedRequest('GET', {})).not.toThrow();
  });
});

describe('cache of subjects', () => {
  const subject = (expiresAt: string): AuthenticatedSubject => ({
    kind: 'user',
    subject: 'u',
    name: 'n',
    organization: 'o',
    role: 'viewer',
    scopes: [],
    serverGroups: null,
    expiresAt,
  });

  const ADA = { credential: 'c', address: '1' };
  const inAges = '2100-01-01T00:00:00.000Z';
  const never = { askAgain: () => Promise.reject(new Error('asked again')) };

  it('asks once for simultaneous requests and again within 10 seconds', async () => {
    let now = 0;
    let asked = 0;
    const cache = new SubjectCache({ ...never, ask: async () => (asked++, subject(inAges)) }, () => now);
    await Promise.all([cache.subjectOf(ADA), cache.subjectOf(ADA)]);
    expect(asked).toBe(1);
    now = 9_999;
    await cache.subjectOf(ADA);
    expect(asked).toBe(2);
  });

  it('asks about all that are in use together, honours what it hears, and lets go who is gone', async () => {
    let now = 0;
    const asked: string[] = [];
    const again: { credential: string; address: string }[][] = [];
    const refused = new Set<string>();
    const cache = new SubjectCache(
      {
        ask: async ({ credential }) => (asked.push(credential), subject(inAges)),
        askAgain: async (some) => {
          again.push([...some]);
          return some.map(({ credential }) => (refused.has(credential) ? null : { ...subject(inAges), role: 'admin' as const }));
        },
      },
      () => now,
    );
    const use = (credential: string, address = '1') => cache.subjectOf({ credential, address });
    await Promise.all([use('a'), use('b'), use('gone')]);
    for (now = 2_000; now <= 18_000; now += 2_000) {
      if (now === 8_000) await use('a', '2');
      if (now === 16_000) expect((await use('b')).role).toBe('admin');
      await cache.askAgain();
    }
    expect(asked).toEqual(['a', 'b', 'gone']);
    expect(again[0]).toEqual([
      { credential: 'a', address: '1' },
      { credential: 'b', address: '1' },
      { credential: 'gone', address: '1' },
    ]);
    expect(again.at(-1)![0]).toEqual({ credential: 'a', address: '2' });
    refused.add('b');
    now = 20_000;
    await cache.askAgain();
    expect(again.at(-1)!.map(({ credential }) => credential)).toEqual(['a', 'b']);
    await use('a');
    await use('b');
    expect(asked.slice(3)).toEqual(['b']);
  });

  it('holds an answer no longer when nobody confirms it', async () => {
    let now = 0;
    let asked = 0;
    const cache = new SubjectCache({ ...never, ask: async () => (asked++, subject(inAges)) }, () => now);
    await cache.subjectOf(ADA);
    for (now = 2_000; now < 10_000; now += 2_000) await cache.askAgain();
    expect(await cache.known(ADA)).toBeUndefined();
    await cache.subjectOf(ADA);
    expect(asked).toBe(2);
  });

  it('keeps neither refusals nor what has expired', async () => {
    let asked = 0;
    const refusing = new SubjectCache({ ...never, ask: async () => (asked++, Promise.reject(new Error('no'))) });
    await expect(refusing.subjectOf(ADA)).rejects.toThrow('no');
    await expect(refusing.subjectOf(ADA)).rejects.toThrow('no');
    const expiring = new SubjectCache({ ...never, ask: async () => (asked++, subject(new Date(Date.now() - 1).toISOString())) });
    await expiring.subjectOf(ADA);
    await expiring.subjectOf(ADA);
    expect(asked).toBe(4);
  });
});
