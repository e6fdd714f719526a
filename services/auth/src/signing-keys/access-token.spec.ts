import { createHmac } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { signAccessToken, verifyAccessToken } from './access-token.js';

const CLAIMS = { user: 'user_1', session: 'session_1', organization: 'org_1' };
let ours: { publicKey: CryptoKey; privateKey: CryptoKey };
let foreign: { publicKey: CryptoKey; privateKey: CryptoKey };
const asked: string[] = [];
const keyOf = async (kid: string) => {
  asked.push(kid);
  return kid === 'ours' ? ours.publicKey : undefined;
};
const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

beforeAll(async () => {
  ours = await generateKeyPair('ES256', { extractable: true });
  foreign = await generateKeyPair('ES256');
});

interface Shape {
  header?: Record<string, unknown>;
  payload?: JWTPayload;
  issuer?: string;
  audience?: string;
  expires?: string;
  key?: CryptoKey;
}
/** A token that is right in everything but what the test changes. */
async function token({
  header,
  payload,
  issuer = 'rahat-auth',
  audience = 'rahat-api',
  expires = '600s',
  key = ours.privateKey,
}: Shape = {}): Promise<string> {
  return new SignJWT({ sid: 's', org: 'o', ...payload })
    .setProtectedHeader({ alg: 'ES256', kid: 'ours', typ: 'at+jwt', ...header })
    .setSubject('u')
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key);
}

describe('access tokens', () => {
  it('come back as the claims they were made of', async () => {
    const signed = await signAccessToken(CLAIMS, { kid: 'ours', privateKey: ours.privateKey });
    expect(await verifyAccessToken(signed, keyOf)).toMatchObject(CLAIMS);
    expect((await verifyAccessToken(await token(), keyOf)).user).toBe('u');
  });

  it('refuse alg none', async () => {
    const [, payload] = (await token()).split('.');
    for (const alg of ['none', 'None', ''])
      await expect(verifyAccessToken(`${b64({ alg, kid: 'ours', typ: 'at+jwt' })}.${payload}.`, keyOf)).rejects.toMatchObject({
        code: 'unauthenticated',
      });
  });

  it('refuse an HMAC made with the public key as its secret', async () => {
    const [, payload] = (await token()).split('.');
    const head = `${b64({ alg: 'HS256', kid: 'ours', typ: 'at+jwt' })}.${payload}`;
    const mac = createHmac('sha256', await exportSPKI(ours.publicKey))
      .update(head)
      .digest('base64url');
    await expect(verifyAccessToken(`${head}.${mac}`, keyOf)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  const attacks: [string, () => Shape][] = [
    ['another issuer', () => ({ issuer: 'somebody' })],
    ['another audience', () => ({ audience: 'rahat-services' })],
    ['an expired token', () => ({ expires: '-1s' })],
    ['a token made long ago that lives for years', () => ({ payload: { iat: 1_700_000_000 }, expires: '3650d' })],
    ['a foreign key under our key id', () => ({ key: foreign.privateKey })],
    ['a key id that is a path', () => ({ header: { kid: '../../../dev/null' } })],
    ['a key id that is a member of every object', () => ({ header: { kid: '__proto__' } })],
    ['no key id', () => ({ header: { kid: undefined } })],
    ['a key brought along', () => ({ header: { kid: 'theirs', jku: 'http://127.0.0.1:1/jwks' }, key: foreign.privateKey })],
    ['another type of token', () => ({ header: { typ: 'JWT' } })],
  ];
  it.each(attacks)('refuse %s', async (_name, shape) => {
    const made = shape();
    if (made.payload?.iat !== undefined) {
      const old = await new SignJWT({ sid: 's', org: 'o', iat: made.payload.iat })
        .setProtectedHeader({ alg: 'ES256', kid: 'ours', typ: 'at+jwt' })
        .setSubject('u')
        .setIssuer('rahat-auth')
        .setAudience('rahat-api')
        .setExpirationTime('3650d')
        .sign(ours.privateKey);
      await expect(verifyAccessToken(old, keyOf)).rejects.toMatchObject({ code: 'unauthenticated' });
      return;
    }
    await expect(verifyAccessToken(await token(made), keyOf)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('refuse a changed payload and plain nonsense', async () => {
    const [head, , signature] = (await token()).split('.');
    const forged = b64({ sub: 'owner', sid: 's', org: 'o', iss: 'rahat-auth', aud: 'rahat-api', iat: 1, exp: 9_999_999_999 });
    for (const text of [`${head}.${forged}.${signature}`, '', 'a.b.c', 'Bearer x'])
      await expect(verifyAccessToken(text, keyOf)).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
