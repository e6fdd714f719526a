import { newId, Principal, RahatError } from '@rahat/contracts';
import { type CryptoKey, type JWTPayload, jwtVerify, SignJWT } from 'jose';

/** The header in which a service receives the caller (design.md §3); nothing from outside may carry it in. */
export const PRINCIPAL_HEADER = 'rahat-principal';

const ISSUER = 'rahat-gateway';
const AUDIENCE = 'rahat-services';
const ALGORITHM = 'ES256';
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

export function createPrincipalSigner(privateKey: CryptoKey): PrincipalSigner {
  async function signClaims(subject: string, audience: string, claims: JWTPayload): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setSubject(subject)
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME_SECONDS}s`)
      .sign(privateKey);
  }

  async function sign(principal: Principal): Promise<string> {
    const { subject, ...claims } = Principal.parse(principal);
    return signClaims(subject, AUDIENCE, claims);
  }

  return {
    sign,
    signAddress: (address) => signClaims(address, ADDRESS_AUDIENCE, {}),
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

export function createPrincipalVerifier(publicKey: CryptoKey): PrincipalVerifier {
  async function claimsOf(token: string, audience: string): Promise<JWTPayload> {
    // The fixed algorithm is what refuses `none` and an HMAC made with our public key.
    const { payload } = await jwtVerify(token, publicKey, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience,
      requiredClaims: ['exp', 'iat', 'sub'],
      maxTokenAge: LIFETIME_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    return payload;
  }

  return {
    async verify(token) {
      try {
        const { sub, ...claims } = await claimsOf(token, AUDIENCE);
        return Principal.parse({ ...claims, subject: sub });
      } catch (cause) {
        throw new RahatError('unauthenticated', 'The request carries no valid principal', { cause });
      }
    },
    verifyAddress: (token) =>
      claimsOf(token, ADDRESS_AUDIENCE).then(
        ({ sub }) => sub,
        () => undefined,
      ),
  };
}
