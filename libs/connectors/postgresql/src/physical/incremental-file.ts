import { RahatError } from '@rahat/contracts';

/** How the server calls the file that holds what changed of a relation's file (basebackup_incremental.h). */
const PREFIX = 'INCREMENTAL.';
const MAGIC = 0xd3ae1f0d;
/** Magic, count of blocks, truncation block length. */
const FIXED_BYTES = 12;

export interface IncrementalHeader {
  /** Of the header with its padding; the blocks follow. */
  lengthBytes: number;
  /** So many blocks the whole file has at least; those that no link holds are zeros. */
  truncationBlocks: number;
  /** Where in the whole file each block belongs that the file holds, ascending. */
  blocks: Uint32Array;
}

/** `base/16384/2619` for `base/16384/INCREMENTAL.2619`; undefined for a file that is whole. */
export function wholePath(path: string): string | undefined {
  // Elsewhere a file of that name is a user's own.
  if (!/^(base|global|pg_tblspc)\//.test(path)) return undefined;
  const name = path.lastIndexOf('/') + 1;
  return path.startsWith(PREFIX, name) ? path.slice(0, name) + path.slice(name + PREFIX.length) : undefined;
}

export function incrementalPath(path: string): string {
  const name = path.lastIndexOf('/') + 1;
  return path.slice(0, name) + PREFIX + path.slice(name);
}

/** Whether an incremental file of this size holds no block: its header alone stands there, without padding. */
export function holdsNoBlock(sizeBytes: number): boolean {
  return sizeBytes === FIXED_BYTES;
}

/**
 * Reads the header at the beginning of a file of `sizeBytes`; undefined while `bytes` don't hold all of it. Throws `dump_invalid`
 * where it is none, or does not fit the file's size (reconstruct.c: `make_incremental_rfile`).
 */
export function parseIncrementalHeader(
  bytes: Buffer,
  file: { path: string; sizeBytes: number; blockSize: number },
): IncrementalHeader | undefined {
  if (bytes.length < FIXED_BYTES) return undefined;
  // Written in the byte order of the server's machine.
  const littleEndian = bytes.readUInt32LE(0) === MAGIC;
  if (!littleEndian && bytes.readUInt32BE(0) !== MAGIC)
    throw new RahatError('dump_invalid', `${file.path} does not begin as an incremental file does`);
  const read = (at: number) => (littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const count = read(4);
  const unpadded = FIXED_BYTES + 4 * count;
  const lengthBytes = count === 0 ? unpadded : Math.ceil(unpadded / file.blockSize) * file.blockSize;
  if (lengthBytes + count * file.blockSize !== file.sizeBytes)
    throw new RahatError('dump_invalid', `${file.path} says that it holds ${count} blocks, and has ${file.sizeBytes} bytes`);
  if (bytes.length < lengthBytes) return undefined;
  const blocks = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    const block = read(FIXED_BYTES + 4 * index);
    if (index > 0 && block <= (blocks[index - 1] ?? 0))
      throw new RahatError('dump_invalid', `${file.path} does not name its blocks in order`);
    blocks[index] = block;
  }
  return { lengthBytes, truncationBlocks: read(8), blocks };
}
