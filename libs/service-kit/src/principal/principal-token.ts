import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto';
import { newId, Principal, RahatError } from '@rahat/contracts';
import { z } from 'zod';

/** The header in which a service receives the caller (design.md §3); nothing from outside may carry it in. */
export const PRINCIPAL_HEADER = 'rahat-principal';

const ISSUER = 'rahat-gateway';
const AUDIENCE = 'rahat-services';
const LIFETIME_SECONDS = 60;
/** Two machines' clocks may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** In it the front door tells where a request without a caller (a log-in) comes from; signed, as nothing bare is believed. */
export const ADDRESS_HEADER = 'rahat-address';
const ADDRESS_AUDIENCE = 'rahat-addresses';

export interface PrincipalSigner {
  /** A token of 60 s for the header `rahat-principal`. */
  sign(principal: Principal): Promise<string>;
  /** The same for a service that acts by itself in an organization, or within server groups of it. */
  signForService(service: string, tenant: string | Pick<Principal, 'organization' | 'serverGroups'>, requestId?: string): Promise<string>;
  /** A token of 60 s for the header `rahat-address`. It gives no right to anything. */
  signAddress(address: string): Promise<string>;
}

export interface PrincipalVerifier {
  /** Rejects with `unauthenticated` whatever is wrong with the token. */
  verify(token: string): Promise<Principal>;
  /** Undefined when it isn't one of ours. */
  verifyAddress(token: string): Promise<string | undefined>;
}

/** The only header that is signed or believed: that is what refuses `none`, and an HMAC made with our public key. */
const HEADER = encoded({ alg: 'ES256', typ: 'JWT' });
/** RFC 7518 §3.4. */
const ES256 = { hash: 'sha256', dsaEncoding: 'ieee-p1363' } as const;

const Claims = z.looseObject({ sub: z.string(), iss: z.literal(ISSUER), aud: z.string(), iat: z.number(), exp: z.number() });
type Claims = z.infer<typeof Claims>;

/** Each request is signed and verified, and Web Crypto takes several times as long for both, most of it on the way to its threads and back. */
export function createPrincipalSigner(privateKey: KeyObject): PrincipalSigner {
  function signClaims(subject: string, audience: string, claims: object): string {
    const iat = nowInSeconds();
    const body = encoded({ ...claims, sub: subject, iss: ISSUER, aud: audience, iat, exp: iat + LIFETIME_SECONDS });
    const signed = `${HEADER}.${body}`;
    const signature = signBytes(ES256.hash, Buffer.from(signed), { key: privateKey, dsaEncoding: ES256.dsaEncoding });
    return `${signed}.${signature.toString('base64url')}`;
  }

  async function sign(principal: Principal): Promise<string> {
    const { subject, ...claims } = Principal.parse(principal);
    return signClaims(subject, AUDIENCE, claims);
  }

  return {
    sign,
    signAddress: async (address) => signClaims(address, ADDRESS_AUDIENCE, {}),
    signForService: (service, tenant, requestId = newId('request')) =>
      sign({
        kind: 'service',
        subject: service,
        name: service,
        ...(typeof tenant === 'string' ? { organization: tenant, serverGroups: null } : tenant),
        role: 'owner',
        scopes: ['*'],
        address: 'internal',
        requestId,
      }),
  };
}

export function createPrincipalVerifier(publicKey: KeyObject): PrincipalVerifier {
  function claimsOf(token: string, audience: string): Claims {
    const [header, body = '', signature = '', ...more] = token.split('.');
    if (header !== HEADER || more.length > 0) throw new Error('not a token of ours');
    const key = { key: publicKey, dsaEncoding: ES256.dsaEncoding };
    if (!verifyBytes(ES256.hash, Buffer.from(`${header}.${body}`), key, Buffer.from(signature, 'base64url'))) throw new Error('forged');
    const claims = Claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
    if (claims.aud !== audience) throw new Error('for somebody else');
    const now = nowInSeconds();
    const isOver = now >= claims.exp + CLOCK_TOLERANCE_SECONDS || now > claims.iat + LIFETIME_SECONDS + CLOCK_TOLERANCE_SECONDS;
    if (isOver || claims.iat > now + CLOCK_TOLERANCE_SECONDS) throw new Error('not of this minute');
    return claims;
  }

  return {
    async verify(token) {
      try {
        const { sub, ...claims } = claimsOf(token, AUDIENCE);
        return Principal.parse({ ...claims, subject: sub });
      } catch (cause) {
        throw new RahatError('unauthenticated', 'The request carries no valid principal', { cause });
      }
    },
    async verifyAddress(token) {
      try {
        return claimsOf(token, ADDRESS_AUDIENCE).sub;
      } catch {
        return undefined;
      }
    },
  };
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
