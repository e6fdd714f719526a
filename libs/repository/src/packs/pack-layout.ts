import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { PACK_KINDS, WRAPPED_PACK_KEY_BYTES, type PackKind } from '../keys/pack-keys.js';

const HEAD_MAGIC = Buffer.from('RHTPACK1');
const TAIL_MAGIC = Buffer.from('1KCAPTHR');
const REPOSITORY_ID_BYTES = 16;
/** magic 8, kind 1, repository id 16, wrapped pack key 80 */
export const PACK_HEADER_BYTES = HEAD_MAGIC.length + 1 + REPOSITORY_ID_BYTES + WRAPPED_PACK_KEY_BYTES;
/** footer length 4, magic 8 */
export const PACK_TRAILER_BYTES = 4 + TAIL_MAGIC.length;

export function encodePackHeader(kind: PackKind, repositoryId: Buffer, wrappedKey: Buffer): Buffer {
  return Buffer.concat([HEAD_MAGIC, Buffer.from([PACK_KINDS[kind]]), repositoryId, wrappedKey]);
}

export function decodePackHeader(header: Buffer, pack: string, repositoryId: Buffer): { kind: PackKind; wrappedKey: Buffer } {
  const kind = (Object.keys(PACK_KINDS) as PackKind[]).find((name) => PACK_KINDS[name] === header[8]);
  if (header.length !== PACK_HEADER_BYTES || !header.subarray(0, 8).equals(HEAD_MAGIC) || kind === undefined) {
    throw new RahatError('repository_damaged', `Pack ${pack} does not begin like a pack.`);
  }
  if (!header.subarray(9, 25).equals(repositoryId))
    throw new RahatError('repository_damaged', `Pack ${pack} belongs to another repository.`);
  return { kind, wrappedKey: header.subarray(25) };
}

export function encodePackTrailer(footerLength: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footerLength);
  return Buffer.concat([length, TAIL_MAGIC]);
}

/** Length of the footer that ends where the trailer begins. */
export function decodePackTrailer(trailer: Buffer, pack: string): number {
  if (trailer.length !== PACK_TRAILER_BYTES || !trailer.subarray(4).equals(TAIL_MAGIC)) {
    throw new RahatError('repository_damaged', `Pack ${pack} does not end like a pack; it may be cut off.`);
  }
  return trailer.readUInt32LE(0);
}

/** The footer is bound to its pack by the hash of the header, which holds the pack's own random key. */
export function footerName(header: Buffer): string {
  return createHash('sha256').update(header).digest('hex');
}
