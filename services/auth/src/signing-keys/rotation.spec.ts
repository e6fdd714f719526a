import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TokenPair } from '@rahat/contracts';
import { createSecretBox } from '@rahat/secrets';
import { exportSPKI, importJWK, type CryptoKey } from 'jose';
import { startAuthWorld, type AuthWorld, type TestUser } from '../testing/auth-world.js';
import { signAccessToken, verifyAccessToken } from './access-token.js';
import { SigningKeys } from './signing-keys.js';

let world: AuthWorld;
let user: TestUser;
beforeAll(async () => {
  world = await startAuthWorld();
  user = await world.addUser();
});
afterAll(async () => world?.[Symbol.asyncDispose]());

const tokens = async () => (await world.logIn(user)).body as TokenPair;

describe('a rotation of the signing keys', () => {
  it('under load refuses no token, old or new', async () => {
    let pair = await tokens();
    const held = [pair.accessToken];
    const refused: number[] = [];
    let rotating = true;
    const rotations = (async () => {
      for (let times = 0; times < 4; times++) await world.application.get(SigningKeys).rotate('now');
      rotating = false;
    })();
    while (rotating) {
      pair = (await world.call('POST', '/api/v2/sessions/refresh', { refreshToken: pair.refreshToken })).body as TokenPair;
      held.push(pair.accessToken);
      for (const { status } of await Promise.all(held.slice(-4).map((token) => world.authenticate(token))))
        if (status !== 200) refused.push(status);
    }
    await rotations;
    expect(refused).toEqual([]);
    expect((await world.authenticate(held[0]!)).status).toBe(200);
    const { keys } = (await world.call('GET', '/.well-known/jwks.json')).body as { keys: { kid: string }[] };
    const kids = new Set(
      held.map((token) => (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid),
    );
    expect(kids.size).toBeGreaterThan(1);
    expect(keys.map(({ kid }) => kid)).toEqual(expect.arrayContaining([...kids]));
  });

  it('by one replica is known to another one at once, however lately that one looked', async () => {
    const box = createSecretBox(randomBytes(32));
    await world.server.query(`DELETE FROM auth.signing_keys`);
    const [one, other] = [new SigningKeys(world.database, box, 30), new SigningKeys(world.database, box, 30)];
    await one.signer();
    expect(await other.publicKeyOf('unknown')).toBeUndefined();
    await one.rotate('now');
    const token = await signAccessToken({ user: 'u', session: 's', organization: 'o' }, await one.signer());
    expect((await verifyAccessToken(token, (kid) => other.publicKeyOf(kid))).user).toBe('u');
  });

  it('asks the database but now and then for key ids that do not exist', async () => {
    let asked = 0;
    const counting = {
      ...world.database,
      asSystem: (async (reason, work) => (asked++, world.database.asSystem(reason, work))) as typeof world.database.asSystem,
    };
    const keys = new SigningKeys(counting, createSecretBox(randomBytes(32)), 30);
    await world.server.query(`DELETE FROM auth.signing_keys`);
    const began = Date.now();
    for (let burst = 0; burst < 3; burst++) await Promise.all(Array.from({ length: 50 }, (_, n) => keys.publicKeyOf(`spam-${burst}-${n}`)));
    expect(asked).toBeLessThanOrEqual(2 + (Date.now() - began) / 500);
    expect(asked).toBeGreaterThan(0);
  });
});

describe('an access token at the door', () => {
  it('is refused as alg none, as an HMAC with the public key of the JWKS, with tricks in its key id, and for somebody else', async () => {
    await world.application.get(SigningKeys).rotate('now');
    const { accessToken } = await tokens();
    const [, payload] = accessToken.split('.') as [string, string];
    const { keys } = (await world.call('GET', '/.well-known/jwks.json')).body as { keys: { kid: string }[] };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const spki = await exportSPKI((await importJWK(keys[0]!, 'ES256', { extractable: true })) as CryptoKey);
    const hmac = (header: object, secret: string) => {
      const text = `${part(header)}.${payload}`;
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    };
    const kid = keys[0]!.kid;
    const forged = [
      `${part({ alg: 'none', kid, typ: 'at+jwt' })}.${payload}.`,
      hmac({ alg: 'HS256', kid, typ: 'at+jwt' }, spki),
      hmac({ alg: 'HS256', kid, typ: 'at+jwt' }, JSON.stringify(keys[0])),
      ...['../../../../dev/null', "' OR 1=1 --", '__proto__', 'constructor', '', 'x'.repeat(3000), 'a\0b'].map((trick) =>
        hmac({ alg: 'ES256', kid: trick, typ: 'at+jwt' }, ''),
      ),
      `${accessToken.slice(0, -4)}AAAA`,
    ];
    for (const token of forged) expect([token.slice(0, 60), (await world.authenticate(token)).status]).toEqual([token.slice(0, 60), 401]);
    expect((await world.authenticate(accessToken)).status).toBe(200);
  });
});
