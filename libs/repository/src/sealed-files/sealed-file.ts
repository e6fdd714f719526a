import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { RahatError } from '@rahat/contracts';

/** repository.md §4: what a sealed file is. The number stands in its header. */
export const SEALED_TYPES = { config: 1, index: 2, manifest: 3, lease: 4, collection: 5, log: 6, footer: 7, packKey: 8 } as const;
export type SealedType = keyof typeof SEALED_TYPES;

/** Whose file it is. `name` is part of its authentication: a file moved to another name or repository doesn't open. */
export interface SealedIdentity {
  repositoryId: Buffer;
  type: SealedType;
  name: string;
}

const MAGIC = Buffer.from('RHTS');
const VERSION = 1;
export const SALT_BYTES = 32;
export const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + 2 + SALT_BYTES;
/** Each key seals one file only, so the nonce may be constant. */
const NONCE = Buffer.alloc(12);

export function sealFile(metadataKey: Buffer, identity: SealedIdentity, payload: Buffer, salt = randomBytes(SALT_BYTES)): Buffer {
  const header = Buffer.concat([MAGIC, Buffer.from([VERSION, SEALED_TYPES[identity.type]]), salt]);
  return Buffer.concat([header, sealWithSalt(metadataKey, identity, salt, zstdCompressSync(payload))]);
}

export function openSealedFile(metadataKey: Buffer, identity: SealedIdentity, file: Buffer): Buffer {
  if (file.length < HEADER_BYTES + TAG_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw damaged(identity, 'it is not a sealed file of a repository');
  }
  if (file[4] !== VERSION) throw new RahatError('repository_unsupported', `File ${identity.name} has the unknown version ${file[4]}.`);
  if (file[5] !== SEALED_TYPES[identity.type]) throw damaged(identity, `it is of another type than ${identity.type}`);
  const compressed = openWithSalt(metadataKey, identity, file.subarray(6, HEADER_BYTES), file.subarray(HEADER_BYTES));
  return zstdDecompressSync(compressed);
}

/** The cipher alone, for what has no header of its own (the wrapped key of a metadata pack). */
export function sealWithSalt(metadataKey: Buffer, identity: SealedIdentity, salt: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', fileKey(metadataKey, identity, salt), NONCE);
  cipher.setAAD(Buffer.concat([identity.repositoryId, typeAndName(identity)]));
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

export function openWithSalt(metadataKey: Buffer, identity: SealedIdentity, salt: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', fileKey(metadataKey, identity, salt), NONCE, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.concat([identity.repositoryId, typeAndName(identity)]));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch (error) {
    throw damaged(identity, 'its bytes were changed, or it belongs to another place or repository', error);
  }
  return plaintext;
}

function fileKey(metadataKey: Buffer, identity: SealedIdentity, salt: Buffer): KeyObject {
  let prepared = preparedKeys.get(metadataKey);
  if (!prepared) preparedKeys.set(metadataKey, (prepared = createSecretKey(metadataKey)));
  return createSecretKey(new Uint8Array(hkdfSync('sha256', prepared, salt, typeAndName(identity), 32)));
}

/** Node takes bytes for a key three times as slowly as a key that was prepared once. */
const preparedKeys = new WeakMap<Buffer, KeyObject>();

function typeAndName({ type, name }: SealedIdentity): Buffer {
  return Buffer.concat([Buffer.from([SEALED_TYPES[type]]), Buffer.from(name, 'utf8')]);
}

function damaged({ name, type }: SealedIdentity, why: string, cause?: unknown): RahatError {
  const what = type === 'footer' ? 'The footer of a pack' : `File ${name}`;
  return new RahatError('repository_damaged', `${what} cannot be opened: ${why}.`, { cause });
}
