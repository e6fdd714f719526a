import { RahatError } from '@rahat/contracts';
import { compactVerify, CompactSign, errors, type CryptoKey } from 'jose';
import { z } from 'zod';
import type { Link } from './chain.js';

/** At most so many entries follow the last signed head: a whole chain with more was made by somebody without the key. */
export const HEAD_EVERY = 100;

const ALGORITHM = 'ES256';
const TYPES = { head: 'rahat-audit-head', cut: 'rahat-audit-cut' } as const;

export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
}
/** By key id; only keys that the verifier trusts. */
export type PublicKeys = ReadonlyMap<string, CryptoKey>;

const SignedLink = z.object({ organization: z.string(), sequence: z.number().int().min(1), hash: z.string(), at: z.iso.datetime() });
type SignedLink = z.infer<typeof SignedLink>;

/** A compact JWS that says: so the trail stood at this entry. */
export function signHead(organization: string, link: Link, key: SigningKey, at: Date): Promise<string> {
  return sign('head', organization, link, key, at);
}

/** A compact JWS that says: all entries up to this one were dropped by the organization's own policy. */
export function signCut(organization: string, link: Link, key: SigningKey, at: Date): Promise<string> {
  return sign('cut', organization, link, key, at);
}

/** Throws `invalid_input` where the text isn't one of our signed links by a trusted key. A head is never taken for a cut. */
export async function readSigned(kind: keyof typeof TYPES, jws: string, keys: PublicKeys): Promise<SignedLink> {
  try {
    const { payload } = await compactVerify(
      jws,
      (header) => {
        const key = header.typ === TYPES[kind] && typeof header.kid === 'string' ? keys.get(header.kid) : undefined;
        if (key === undefined) throw new errors.JWKSNoMatchingKey();
        return key;
      },
      { algorithms: [ALGORITHM] },
    );
    return SignedLink.parse(JSON.parse(Buffer.from(payload).toString('utf8')));
  } catch (cause) {
    throw new RahatError('invalid_input', `This is no signed ${kind} of the audit trail, or not by a key of this installation.`, { cause });
  }
}

async function sign(kind: keyof typeof TYPES, organization: string, link: Link, key: SigningKey, at: Date): Promise<string> {
  const payload: SignedLink = { organization, sequence: link.sequence, hash: link.hash, at: at.toISOString() };
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: TYPES[kind] })
    .sign(key.privateKey);
}
