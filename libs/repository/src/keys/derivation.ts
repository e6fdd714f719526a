import { createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto';

/** What a repository's keyslots protect (repository.md §4). */
export interface RepositorySecrets {
  masterKey: Buffer;
  /** Shared by sibling repositories, so that a source is cut and hashed once for all of them. */
  identitySecret: Buffer;
}

export interface RepositoryKeys {
  chunkId: Buffer;
  /** Ids of recipe chunks; another key than `chunkId`, so that data never stands in for a recipe or the other way round. */
  recipeChunkId: Buffer;
  /** 256 little-endian 64-bit numbers. */
  gearTable: Buffer;
  metadata: Buffer;
  /** Opens what any writer stored; absent where the repository was opened by a write-only credential. */
  packPrivate?: Buffer;
  packPublic: Buffer;
}

export const SECRET_BYTES = 32;
const GEAR_TABLE_BYTES = 256 * 8;

export function deriveKeys({ masterKey, identitySecret }: RepositorySecrets): RepositoryKeys & { packPrivate: Buffer } {
  const packPrivate = derive(masterKey, 'rahat/1/pack-private');
  const metadata = derive(masterKey, 'rahat/1/metadata');
  return { ...deriveWriteOnlyKeys(identitySecret, { metadata, packPublic: x25519PublicKey(packPrivate) }), packPrivate };
}

/** What a writer works with: no key here opens data. */
export function deriveWriteOnlyKeys(identitySecret: Buffer, given: Pick<RepositoryKeys, 'metadata' | 'packPublic'>): RepositoryKeys {
  return {
    ...given,
    chunkId: derive(identitySecret, 'rahat/1/chunk-id'),
    recipeChunkId: derive(identitySecret, 'rahat/1/recipe-chunk-id'),
    gearTable: derive(identitySecret, 'rahat/1/gear', GEAR_TABLE_BYTES),
  };
}

function derive(secret: Buffer, info: string, length = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, length));
}

/** PKCS #8 of an X25519 private key up to its 32 raw bytes (RFC 8410). */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

function x25519PublicKey(privateKey: Buffer): Buffer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, privateKey]), format: 'der', type: 'pkcs8' });
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
}
