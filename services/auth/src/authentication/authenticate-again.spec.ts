import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuthenticatedSubject, CreatedApiKey } from '@rahat/contracts';
import { startTestAuth, type TestAuth } from '../testing/start-test-auth.js';

let auth: TestAuth;
beforeAll(async () => (auth = await startTestAuth()));
afterAll(async () => auth?.[Symbol.asyncDispose]());

const createKey = async () =>
  (await auth.call('POST', '/api/v2/api-keys', { name: 'ci', scopes: ['plan:read'], requestsPerMinute: 90 }, auth.owner))
    .body as CreatedApiKey;

async function logIn(): Promise<{ cookie: string; token: string; session: string }> {
  const { headers, body } = await auth.logIn('ada@example.org');
  const cookie = headers.get('set-cookie')!.split(/[=;]/)[1]!;
  const { session } = (await auth.authenticate(cookie))!;
  return { cookie, token: (body as { accessToken: string }).accessToken, session: session! };
}

describe('credentials that are asked about together', () => {
  it('are each answered as if it were asked about alone', async () => {
    const [kept, revoked] = [await createKey(), await createKey()];
    await auth.call('DELETE', `/api/v2/api-keys/${revoked.id}`, undefined, auth.owner);
    const [open, ended, idle] = [await logIn(), await logIn(), await logIn()];
    await auth.call('DELETE', '/api/v2/sessions/current', undefined, { ...auth.owner, session: ended.session });
    await auth.server.query(`UPDATE auth.sessions SET seen_at = now() - interval '13 hours' WHERE id = $1`, [idle.session]);
    const forged = kept.secret.replace(/_[0-9a-f]{64}_/, /_[0-9a-f]{64}_/.exec(revoked.secret)![0]);
    const letIn = [kept.secret, open.cookie, open.token];
    const refused = [ended.cookie, ended.token, idle.cookie, revoked.secret, forged, 'nonsense', 'rhs_nobody'];
    const credentials = [...letIn, ...refused, ...letIn.toReversed()];
    const alone = await Promise.all(credentials.map((credential) => auth.authenticate(credential)));
    expect(alone.map((subject) => subject !== undefined)).toEqual(credentials.map((credential) => letIn.includes(credential)));

    const asked = credentials.map((credential) => ({ credential, address: '10.0.0.8' }));
    const asker = auth.application.service('gateway', 'platform');
    const { status, body } = await auth.call('POST', '/internal/v1/authenticate/again', { asked }, asker);
    const lasting = (subject: AuthenticatedSubject | null | undefined) => (subject ? { ...subject, expiresAt: undefined } : null);
    expect(status).toBe(200);
    expect((body as { subjects: AuthenticatedSubject[] }).subjects.map(lasting)).toEqual(alone.map(lasting));
    expect((await auth.call('GET', `/api/v2/api-keys/${kept.id}`, undefined, auth.owner)).body).toMatchObject({ lastUsedFrom: '10.0.0.8' });
    expect((await auth.call('GET', `/api/v2/api-keys/${revoked.id}`, undefined, auth.owner)).body).toMatchObject({ lastUsedFrom: null });
  });

  it('count as used now and then, and never wait for who holds their row', async () => {
    const key = await createKey();
    const { cookie, session } = await logIn();
    const usedAt = async () =>
      (
        await auth.server.query<{ used: Date; seen: Date }>(
          `SELECT used_at AS used, seen_at AS seen FROM auth.api_keys, auth.sessions WHERE api_keys.id = $1 AND sessions.id = $2`,
          [key.id, session],
        )
      )[0];
    const use = () => Promise.all([auth.authenticate(key.secret), auth.authenticate(cookie)]);
    const age = (interval: string) =>
      auth.server.query(
        `WITH aged AS (UPDATE auth.api_keys SET used_at = now() - '${interval}'::interval) UPDATE auth.sessions SET seen_at = now() - '${interval}'::interval`,
      );
    await use();
    await age('50 seconds');
    const before = await usedAt();
    await use();
    expect(await usedAt()).toEqual(before);
    await age('70 seconds');
    const old = await usedAt();
    await auth.database.asSystem('hold rows', async (transaction) => {
      await transaction.query(`SELECT FROM api_keys FOR UPDATE`);
      await transaction.query(`SELECT FROM sessions FOR UPDATE`);
      expect((await use()).map((subject) => subject?.organization)).toEqual([auth.organization, auth.organization]);
    });
    expect(await usedAt()).toEqual(old);
    await use();
    const { used, seen } = (await usedAt())!;
    expect(Math.max(Date.now() - used.getTime(), Date.now() - seen.getTime())).toBeLessThan(30_000);
  });

  it('are a matter between services', async () => {
    expect((await auth.call('POST', '/internal/v1/authenticate/again', { asked: [] }, auth.owner)).status).toBe(403);
    expect((await auth.call('POST', '/internal/v1/authenticate/again', { asked: [] })).status).toBe(401);
  });
});
