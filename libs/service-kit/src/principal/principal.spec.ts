import { KeyObject } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Principal } from '@rahat/contracts';
import { exportJWK, exportSPKI, generateKeyPair, jwtVerify, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { openPrincipalKeys } from './principal-keys.js';
import { createPrincipalSigner, createPrincipalVerifier, type PrincipalVerifier } from './principal-token.js';

const ada: Principal = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'viewer',
  scopes: ['plan:read'],
  serverGroups: null,
  address: '::1',
  requestId: 'request_1',
  session: 'session_1',
};
const { subject: _subject, ...claims } = ada;

let privateKey: CryptoKey;
let publicKey: CryptoKey;
let verifier: PrincipalVerifier;

beforeAll(async () => {
  ({ privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true }));
  verifier = createPrincipalVerifier(KeyObject.from(publicKey));
});

/** A token that is right but for what a test changes. */
function token(
  change: {
    claims?: JWTPayload;
    audience?: string;
    issuer?: string;
    subject?: string;
    issuedAt?: number;
    expires?: number;
    algorithm?: string;
    type?: string;
    key?: CryptoKey | Uint8Array;
  } = {},
) {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT(change.claims ?? claims)
    .setProtectedHeader({ alg: change.algorithm ?? 'ES256', typ: change.type ?? 'JWT' })
    .setSubject(change.subject ?? 'user_1')
    .setIssuer(change.issuer ?? 'rahat-gateway')
    .setAudience(change.audience ?? 'rahat-services')
    .setIssuedAt(change.issuedAt ?? now)
    .setExpirationTime(change.expires ?? now + 60)
    .sign(change.key ?? privateKey);
}

describe('a principal token', () => {
  it('carries the principal, and lives for a minute', async () => {
    const signed = await createPrincipalSigner(KeyObject.from(privateKey)).sign(ada);
    expect(await verifier.verify(signed)).toEqual(ada);
    const { iat, exp, aud } = JSON.parse(Buffer.from(signed.split('.')[1]!, 'base64url').toString());
    expect([exp - iat, aud]).toEqual([60, 'rahat-services']);
  });

  const now = Math.floor(Date.now() / 1000);
  it('is the one that a library makes of the same claims, by clocks that differ by seconds', async () => {
    expect(await verifier.verify(await token())).toEqual(ada);
    expect(await verifier.verify(await token({ issuedAt: now + 4, expires: now + 64 }))).toEqual(ada);
    expect(await verifier.verify(await token({ issuedAt: now - 62, expires: now - 2 }))).toEqual(ada);
    const { payload } = await jwtVerify(await createPrincipalSigner(KeyObject.from(privateKey)).sign(ada), publicKey, {
      algorithms: ['ES256'],
      issuer: 'rahat-gateway',
      audience: 'rahat-services',
    });
    expect(payload).toMatchObject({ ...claims, sub: 'user_1' });
  });

  it.each([
    ['of the future', () => token({ issuedAt: now + 20, expires: now + 80 })],
    ['of another type', () => token({ type: 'at+jwt' })],
    ['followed by something', async () => `${await token()}.more`],
    ['expired', () => token({ issuedAt: now - 100, expires: now - 40 })],
    ['longer than a minute old, whatever it says', () => token({ issuedAt: now - 120, expires: now + 3600 })],
    ['for another audience', () => token({ audience: 'rahat-clients' })],
    ['of another issuer', () => token({ issuer: 'someone' })],
    ['without an organization', () => token({ claims: { ...claims, organization: undefined } })],
    ['with an unknown role', () => token({ claims: { ...claims, role: 'god' } })],
    ['signed by another key', async () => token({ key: (await generateKeyPair('ES256')).privateKey })],
    ['an HMAC made with the public key', async () => token({ algorithm: 'HS256', key: Buffer.from(await exportSPKI(publicKey)) })],
    [
      'an HMAC made with the public coordinates',
      async () => token({ algorithm: 'HS256', key: Buffer.from(JSON.stringify(await exportJWK(publicKey))) }),
    ],
    [
      'without a signature',
      async () => {
        const [, body] = (await token()).split('.');
        return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${body}.`;
      },
    ],
    [
      'changed',
      async () => {
        const [head, body, signature] = (await token()).split('.');
        const changed = { ...JSON.parse(Buffer.from(body!, 'base64url').toString()), role: 'owner' };
        return `${head}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${signature}`;
      },
    ],
    ['no token', async () => 'nonsense'],
  ])('is refused when it is %s', async (_what, make) => {
    await expect(verifier.verify(await make())).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('principal keys', () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'rahat-keys-'))));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are made once, for all processes that start at once, and readable by the owner only', async () => {
    const home = path.join(folder, 'keys');
    const all = await Promise.all(Array.from({ length: 5 }, () => openPrincipalKeys(home)));
    for (const { verifier: each } of all) expect(await each.verify(await all[0]!.signer.sign(ada))).toEqual(ada);
    expect(new Set(all.map((keys) => keys.deriveKey('cursors').toString('hex'))).size).toBe(1);
    expect(all[0]!.deriveKey('cursors')).not.toEqual(all[0]!.deriveKey('other'));
    expect(await readdir(home)).toEqual(['principal-key.json']);
    expect((await stat(path.join(home, 'principal-key.json'))).mode & 0o777).toBe(0o600);
  });

  it('say which file is damaged, without quoting it', async () => {
    const home = path.join(folder, 'damaged');
    await openPrincipalKeys(home);
    await writeFile(path.join(home, 'principal-key.json'), '{"kty":"EC","d":"hunter2"');
    const error: Error = await openPrincipalKeys(home).then(
      () => {
        throw new Error('opened');
      },
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: 'configuration_invalid', message: expect.stringContaining('principal-key.json') });
    expect(JSON.stringify([error.message, error.cause])).not.toContain('hunter2');
  });
});
