import { randomBytes } from 'node:crypto';
import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { RahatError } from '@rahat/contracts';
import { openWithSalt, SALT_BYTES, sealWithSalt, type SealedIdentity } from '../sealed-files/sealed-file.js';
import type { RepositoryKeys } from './derivation.js';

/**
 * data = sealed to the repository's public key, so that a writer can't read what others wrote;
 * metadata = recipes, wrapped by the metadata key, so that collection runs without the master key.
 */
export const PACK_KINDS = { data: 1, metadata: 2 } as const;
export type PackKind = keyof typeof PACK_KINDS;

/** Both kinds: HPKE's 32-byte share or a 32-byte salt, then the 32-byte key and its 16-byte tag. */
export const WRAPPED_PACK_KEY_BYTES = 80;
const SHARE_BYTES = 32;

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
type PublicKeys = Pick<RepositoryKeys, 'packPublic' | 'metadata'>;

export async function wrapPackKey(keys: PublicKeys, repositoryId: Buffer, kind: PackKind, packKey: Buffer): Promise<Buffer> {
  if (kind === 'metadata') {
    const salt = randomBytes(SALT_BYTES);
    return Buffer.concat([salt, sealWithSalt(keys.metadata, packKeyIdentity(repositoryId), salt, packKey)]);
  }
  const recipientPublicKey = await suite.kem.importKey('raw', plainBytes(keys.packPublic), true);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: packInfo(repositoryId) });
  return Buffer.concat([Buffer.from(sender.enc), Buffer.from(await sender.seal(plainBytes(packKey)))]);
}

export async function unwrapPackKey(keys: RepositoryKeys, repositoryId: Buffer, kind: PackKind, wrapped: Buffer): Promise<Buffer> {
  const share = wrapped.subarray(0, SHARE_BYTES);
  const sealed = wrapped.subarray(SHARE_BYTES);
  if (kind === 'metadata') return openWithSalt(keys.metadata, packKeyIdentity(repositoryId), share, sealed);
  const recipientKey = await suite.kem.importKey('raw', plainBytes(keys.packPrivate), false);
  try {
    const recipient = await suite.createRecipientContext({ recipientKey, enc: plainBytes(share), info: packInfo(repositoryId) });
    return Buffer.from(await recipient.open(plainBytes(sealed)));
  } catch (error) {
    throw new RahatError(
      'repository_damaged',
      'The key of a pack cannot be opened: its bytes were changed, or it belongs to another repository.',
      {
        cause: error,
      },
    );
  }
}

function packKeyIdentity(repositoryId: Buffer): SealedIdentity {
  return { repositoryId, type: 'packKey', name: '' };
}

function packInfo(repositoryId: Buffer): ArrayBuffer {
  return plainBytes(Buffer.concat([Buffer.from('rahat/1/pack'), repositoryId]));
}

/** WebCrypto wants an ArrayBuffer of its own, while a small Buffer shares one with others. */
function plainBytes(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}
