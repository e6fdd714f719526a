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
  packPrivate: Buffer;
  packPublic: Buffer;
}

export const SECRET_BYTES = 32;
const GEAR_TABLE_BYTES = 256 * 8;

export function deriveKeys({ masterKey, identitySecret }: RepositorySecrets): RepositoryKeys {
  const packPrivate = derive(masterKey, 'rahat/1/pack-private');
  return {
    chunkId: derive(identitySecret, 'rahat/1/chunk-id'),
    recipeChunkId: derive(identitySecret, 'rahat/1/recipe-chunk-id'),
    gearTable: derive(identitySecret, 'rahat/1/gear', GEAR_TABLE_BYTES),
    metadata: derive(masterKey, 'rahat/1/metadata'),
    packPrivate,
    packPublic: x25519PublicKey(packPrivate),
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
