import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import type { PackKind } from '../keys/pack-keys.js';
import { packName } from '../layout.js';
import { sealingOf } from '../sealed-files/sealing.js';
import { decodePackHeader, decodePackTrailer, footerName, PACK_HEADER_BYTES, PACK_TRAILER_BYTES } from './pack-layout.js';
import { decodePackTable, type PackTable } from './pack-table.js';

/** Most footers come with the first ranged read of a pack's end. */
const TAIL_BYTES = 128 * 1024;

export interface PackDirectory {
  kind: PackKind;
  table: PackTable;
}

/** A pack tells by itself what lies in it; needs the metadata key only. */
export async function readPackDirectory(
  context: RepositoryContext,
  hash: string,
  sizeBytes: number,
  signal?: AbortSignal,
): Promise<PackDirectory> {
  const name = packName(hash);
  if (sizeBytes < PACK_HEADER_BYTES + PACK_TRAILER_BYTES) throw new RahatError('repository_damaged', `Pack ${hash} is cut off.`);
  const header = await context.store.get(name, { offset: 0, length: PACK_HEADER_BYTES }, { signal });
  let tail = await context.store.get(name, rangeAtEnd(sizeBytes, TAIL_BYTES), { signal });
  const needed = decodePackTrailer(tail.subarray(-PACK_TRAILER_BYTES), hash) + PACK_TRAILER_BYTES;
  if (needed > sizeBytes - PACK_HEADER_BYTES) throw new RahatError('repository_damaged', `Pack ${hash} names a footer larger than itself.`);
  if (needed > tail.length) tail = await context.store.get(name, rangeAtEnd(sizeBytes, needed), { signal });
  return decodeDirectory(context, hash, header, tail.subarray(tail.length - needed, -PACK_TRAILER_BYTES));
}

/** The whole file; undefined where the storage has none of this name. */
export async function readPackFile(context: RepositoryContext, hash: string, signal?: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await context.store.get(packName(hash), undefined, { signal });
  } catch (error) {
    if (error instanceof RahatError && error.code === 'blob_not_found') return undefined;
    throw error;
  }
}

/** The same from a whole file in memory. */
export function openPackDirectory(context: RepositoryContext, hash: string, file: Buffer): PackDirectory {
  const footerLength = decodePackTrailer(file.subarray(-PACK_TRAILER_BYTES), hash);
  const footerEnd = file.length - PACK_TRAILER_BYTES;
  return decodeDirectory(
    context,
    hash,
    file.subarray(0, PACK_HEADER_BYTES),
    file.subarray(Math.max(footerEnd - footerLength, 0), footerEnd),
  );
}

/** Needs the master key where the pack holds data. */
export async function openPackKey(context: RepositoryContext, hash: string, header: Buffer): Promise<Buffer> {
  const { kind, wrappedKey } = decodePackHeader(header, hash, context.repositoryId);
  return sealingOf(context).unwrapPackKey(kind, wrappedKey);
}

function decodeDirectory(context: RepositoryContext, hash: string, header: Buffer, footer: Buffer): PackDirectory {
  const { kind } = decodePackHeader(header, hash, context.repositoryId);
  const payload = sealingOf(context).open('footer', footerName(header), footer);
  return { kind, table: decodePackTable(payload, hash) };
}

function rangeAtEnd(sizeBytes: number, length: number): { offset: number; length: number } {
  const taken = Math.min(length, sizeBytes);
  return { offset: sizeBytes - taken, length: taken };
}
