import { newId, Principal, RahatError } from '@rahat/contracts';
import { type CryptoKey, jwtVerify, SignJWT } from 'jose';

/** The header in which a service receives the caller (design.md §3); nothing from outside may carry it in. */
export const PRINCIPAL_HEADER = 'rahat-principal';

const ISSUER = 'rahat-gateway';
const AUDIENCE = 'rahat-services';
const ALGORITHM = 'ES256';
const LIFETIME_SECONDS = 60;
/** Two machines' clocks may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;

export interface PrincipalSigner {
  /** A token of 60 s for the header `rahat-principal`. */
  sign(principal: Principal): Promise<string>;
  /** The same for a service that acts by itself in an organization. */
  signForService(service: string, organization: string, requestId?: string): Promise<string>;
}

export interface PrincipalVerifier {
  /** Rejects with `unauthenticated` whatever is wrong with the token. */
  verify(token: string): Promise<Principal>;
}

export function createPrincipalSigner(privateKey: CryptoKey): PrincipalSigner {
  async function sign(principal: Principal): Promise<string> {
    const { subject, ...claims } = Principal.parse(principal);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setSubject(subject)
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME_SECONDS}s`)
      .sign(privateKey);
  }

  return {
    sign,
    signForService: (service, organization, requestId = newId('request')) =>
      sign({
        kind: 'service',
        subject: service,
        name: service,
        organization,
        role: 'owner',
        scopes: ['*'],
        address: 'internal',
        requestId,
      }),
  };
}

export function createPrincipalVerifier(publicKey: CryptoKey): PrincipalVerifier {
  return {
    async verify(token) {
      try {
        // The fixed algorithm is what refuses `none` and an HMAC made with our public key.
        const { payload } = await jwtVerify(token, publicKey, {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: AUDIENCE,
          requiredClaims: ['exp', 'iat', 'sub'],
          maxTokenAge: LIFETIME_SECONDS,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
        });
        const { sub, ...claims } = payload;
        return Principal.parse({ ...claims, subject: sub });
      } catch (cause) {
        throw new RahatError('unauthenticated', 'The request carries no valid principal', { cause });
      }
    },
  };
}
