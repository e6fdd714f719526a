import { errors, jwtVerify, SignJWT, type CryptoKey } from 'jose';
import { RahatError } from '@rahat/contracts';

export const ACCESS_TOKEN_SECONDS = 600;
const ISSUER = 'rahat-auth';
const AUDIENCE = 'rahat-api';
const TYPE = 'at+jwt';

export interface AccessClaims {
  user: string;
  session: string;
  organization: string;
}

export async function signAccessToken(claims: AccessClaims, key: { kid: string; privateKey: CryptoKey }): Promise<string> {
  return new SignJWT({ sid: claims.session, org: claims.organization })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: TYPE })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(claims.user)
    .setIssuedAt()
    .setExpirationTime(`${ACCESS_TOKEN_SECONDS}s`)
    .sign(key.privateKey);
}

/** `keyOf` looks a key id up among our own keys; nothing of the token is ever used to fetch or build a key. */
export async function verifyAccessToken(
  token: string,
  keyOf: (kid: string) => Promise<CryptoKey | undefined>,
): Promise<AccessClaims & { expiresAt: Date }> {
  try {
    const { payload } = await jwtVerify(
      token,
      async (header) => {
        const key = typeof header.kid === 'string' ? await keyOf(header.kid) : undefined;
        if (key === undefined) throw new errors.JWKSNoMatchingKey();
        return key;
      },
      {
        algorithms: ['ES256'],
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: TYPE,
        requiredClaims: ['sub', 'sid', 'org', 'exp', 'iat'],
        maxTokenAge: ACCESS_TOKEN_SECONDS,
      },
    );
    return {
      user: String(payload.sub),
      session: String(payload['sid']),
      organization: String(payload['org']),
      expiresAt: new Date(Number(payload.exp) * 1000),
    };
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      throw new RahatError('unauthenticated', 'The access token has expired.', { hint: 'Refresh it, or log in again.', cause: error });
    if (error instanceof errors.JOSEError) throw new RahatError('unauthenticated', 'The access token is not valid.', { cause: error });
    throw error;
  }
}
