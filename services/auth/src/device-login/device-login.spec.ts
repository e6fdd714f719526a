import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceLogin, Principal, TokenPair } from '@rahat/contracts';
import { startAuthWorld, type AuthWorld } from '../testing/auth-world.js';

let world: AuthWorld;
let ada: Principal;
beforeAll(async () => {
  world = await startAuthWorld({ RAHAT_PUBLIC_URL: 'https://backup.example.org' });
  ada = await world.principal(await world.addUser({ email: 'device-ada@example.org' }));
});
afterAll(async () => world?.[Symbol.asyncDispose]());
beforeEach(() => world.forgetFailures());

const begin = async () => (await world.call('POST', '/api/v2/device-logins', { client: 'CLI on build-7' })).body as DeviceLogin;
const take = (deviceCode: string) => world.call('POST', '/api/v2/device-logins/token', { deviceCode });
const decide = (how: 'approve' | 'deny', userCode: string, as: Principal = ada) =>
  world.call('POST', `/api/v2/device-logins/${how}`, { userCode }, as);
const notAskedYet = () => world.server.query(`UPDATE auth.device_logins SET polled_at = NULL`);

describe('a device', () => {
  it('is let in by a person who saw where it asks from', async () => {
    const device = await begin();
    expect(device).toMatchObject({ expiresInSeconds: 900, intervalSeconds: 5, verificationUri: 'https://backup.example.org/device' });
    expect(device.userCode).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    expect(device.verificationUriComplete).toBe(`https://backup.example.org/device?code=${device.userCode}`);
    expect(await take(device.deviceCode)).toMatchObject({ status: 400, body: { code: 'authorization_pending', retryable: true } });
    expect((await world.call('GET', `/api/v2/device-logins/${device.userCode}`, undefined, ada)).body).toMatchObject({
      client: 'CLI on build-7',
      address: expect.stringContaining('127.0.0.1'),
      askedAt: expect.any(String),
    });
    expect((await decide('approve', device.userCode.toLowerCase().replace('-', ' '))).status).toBe(204);
    const taken = await take(device.deviceCode);
    expect(taken.status).toBe(200);
    expect(taken.headers.get('set-cookie')).toBeNull();
    const principal = await world.principalOf((taken.body as TokenPair).accessToken);
    expect(principal).toMatchObject({ subject: ada.subject, organization: ada.organization });
    expect(world.acts.slice(-2).map(({ action }) => action)).toEqual(['device_login.approved', 'session.started']);
    expect(world.acts.at(-1)!.details).toEqual({ method: 'device', client: 'CLI on build-7' });
    // Nobody proved anything on the device itself.
    expect(await world.call('POST', '/api/v2/me/second-factors/totp', undefined, principal)).toMatchObject({
      body: { code: 'fresh_proof_needed' },
    });
  });

  it('gets its tokens once, also when it asks twice at the same moment', async () => {
    const device = await begin();
    await decide('approve', device.userCode);
    const answers = await Promise.all([take(device.deviceCode), take(device.deviceCode)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    expect((await take(device.deviceCode)).body.code).toBe('device_login_expired');
  });

  it('is told to slow down when it asks too often, each time more', async () => {
    const device = await begin();
    expect((await take(device.deviceCode)).body.code).toBe('authorization_pending');
    expect((await take(device.deviceCode)).body.code).toBe('slow_down');
    await world.server.query(`UPDATE auth.device_logins SET polled_at = polled_at - interval '6 seconds'`);
    expect((await take(device.deviceCode)).body.code).toBe('slow_down');
    await notAskedYet();
    expect((await take(device.deviceCode)).body.code).toBe('authorization_pending');
  });

  it('stays out when it is denied, too late, unknown, or its approver was thrown out', async () => {
    const denied = await begin();
    expect((await decide('deny', denied.userCode)).status).toBe(204);
    expect(await take(denied.deviceCode)).toMatchObject({ status: 403, body: { code: 'device_login_denied' } });
    expect((await decide('approve', denied.userCode)).status).toBe(404);
    expect(world.acts.at(-1)!.action).toBe('device_login.denied');

    const late = await begin();
    await decide('approve', late.userCode);
    await world.server.query(`UPDATE auth.device_logins SET expires_at = now() - interval '1 second'`);
    expect((await take(late.deviceCode)).body.code).toBe('device_login_expired');
    expect((await take(`rhd_${'A'.repeat(43)}`)).body.code).toBe('device_login_expired');

    const eve = await world.principal(await world.addUser());
    const orphan = await begin();
    await decide('approve', orphan.userCode, eve);
    await world.server.query(`UPDATE auth.sessions SET revoked_at = now() WHERE id = $1`, [eve.session!]);
    expect((await take(orphan.deviceCode)).body.code).toBe('device_login_denied');
  });

  it('is not let in by its own code, by an API key, or by guessing', async () => {
    const device = await begin();
    expect((await decide('approve', device.deviceCode.slice(0, 20))).status).toBe(404);
    const key: Principal = { ...ada, kind: 'api-key', session: undefined };
    expect((await decide('approve', device.userCode, key)).status).toBe(403);
    expect((await world.call('POST', '/api/v2/device-logins/approve', { userCode: device.userCode })).status).toBe(401);
    await world.forgetFailures();
    const guesses = await Promise.all(Array.from({ length: 9 }, (_, n) => decide('approve', `BBBB-BBB${'BCDFGHJKL'[n]}`)));
    expect(guesses.filter(({ status }) => status === 404)).toHaveLength(5);
    expect((await decide('approve', device.userCode)).status).toBe(429);
    await world.forgetFailures();
    expect((await decide('approve', device.userCode)).status).toBe(204);
  });

  it('keeps nothing that opens a door in the database', async () => {
    const device = await begin();
    const rows = JSON.stringify(await world.server.query(`SELECT *, encode(device_hash, 'escape') AS text FROM auth.device_logins`));
    for (const secret of [device.deviceCode, device.userCode]) expect(rows.includes(secret)).toBe(false);
  });
});
