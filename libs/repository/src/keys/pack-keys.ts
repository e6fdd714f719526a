import { createPrivateKey, createPublicKey, randomBytes, type KeyObject } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { openWithSalt, SALT_BYTES, sealWithSalt, type SealedIdentity } from '../sealed-files/sealed-file.js';
import type { RepositoryKeys } from './derivation.js';
import { HPKE_SHARE_BYTES, hpkeOpen, hpkeSeal } from './hpke.js';

/**
 * data = sealed to the repository's public key, so that a writer can't read what others wrote;
 * metadata = recipes, wrapped by the metadata key, so that collection runs without the master key.
 */
export const PACK_KINDS = { data: 1, metadata: 2 } as const;
export type PackKind = keyof typeof PACK_KINDS;

/** Both kinds: HPKE's 32-byte share or a 32-byte salt, then the 32-byte key and its 16-byte tag. */
export const WRAPPED_PACK_KEY_BYTES = HPKE_SHARE_BYTES + 48;
type PublicKeys = Pick<RepositoryKeys, 'packPublic' | 'metadata'>;

export async function wrapPackKey(keys: PublicKeys, repositoryId: Buffer, kind: PackKind, packKey: Buffer): Promise<Buffer> {
  if (kind === 'metadata') {
    const salt = randomBytes(SALT_BYTES);
    return Buffer.concat([salt, sealWithSalt(keys.metadata, packKeyIdentity(repositoryId), salt, packKey)]);
  }
  return hpkeSeal(publicKey(keys.packPublic), packInfo(repositoryId), packKey);
}

export async function unwrapPackKey(keys: RepositoryKeys, repositoryId: Buffer, kind: PackKind, wrapped: Buffer): Promise<Buffer> {
  if (kind === 'metadata') {
    return openWithSalt(keys.metadata, packKeyIdentity(repositoryId), wrapped.subarray(0, SALT_BYTES), wrapped.subarray(SALT_BYTES));
  }
  if (!keys.packPrivate) throw new RahatError('master_key_needed', 'A write-only credential does not open backed-up data.');
  try {
    return hpkeOpen(privateKey(keys.packPrivate), packInfo(repositoryId), wrapped);
  } catch (error) {
    throw new RahatError(
      'repository_damaged',
      'The key of a pack cannot be opened: its bytes were changed, or it belongs to another repository.',
      { cause: error },
    );
  }
}

function packKeyIdentity(repositoryId: Buffer): SealedIdentity {
  return { repositoryId, type: 'packKey', name: '' };
}

function packInfo(repositoryId: Buffer): Buffer {
  return Buffer.concat([Buffer.from('rahat/1/pack'), repositoryId]);
}

/** Heads of X25519 keys up to their 32 raw bytes (RFC 8410). */
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

function publicKey(raw: Buffer): KeyObject {
  let key = publicKeys.get(raw);
  if (!key) publicKeys.set(raw, (key = createPublicKey({ key: Buffer.concat([SPKI_X25519, raw]), format: 'der', type: 'spki' })));
  return key;
}

function privateKey(raw: Buffer): KeyObject {
  let key = privateKeys.get(raw);
  if (!key) privateKeys.set(raw, (key = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, raw]), format: 'der', type: 'pkcs8' })));
  return key;
}

/** Prepared once for each open repository. */
const publicKeys = new WeakMap<Buffer, KeyObject>();
const privateKeys = new WeakMap<Buffer, KeyObject>();
