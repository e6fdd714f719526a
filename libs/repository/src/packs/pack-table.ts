import { RahatError } from '@rahat/contracts';

/** What a pack's footer tells: where its frames lie, and which chunks lie in them (docs/REPOSITORY_FORMAT.md, "Pack table"). */
export interface PackTable {
  frameOffsets: Uint32Array;
  storedLengths: Uint32Array;
  plainLengths: Uint32Array;
  /** 32 bytes for each chunk. */
  chunkIds: Buffer;
  chunkFrames: Uint32Array;
  chunkOffsets: Uint32Array;
  chunkLengths: Uint32Array;
}

export const CHUNK_ID_BYTES = 32;
const FRAME_ROW_BYTES = 12;
const CHUNK_ROW_BYTES = CHUNK_ID_BYTES + 12;

export function packTableLength(frames: number, chunks: number): number {
  return 8 + frames * FRAME_ROW_BYTES + chunks * CHUNK_ROW_BYTES;
}

export function encodePackTable(table: PackTable): Buffer {
  const counts = Buffer.alloc(8);
  counts.writeUInt32LE(table.frameOffsets.length, 0);
  counts.writeUInt32LE(table.chunkFrames.length, 4);
  const { frameOffsets, storedLengths, plainLengths, chunkFrames, chunkOffsets, chunkLengths } = table;
  const numbers = (column: Uint32Array): Buffer => encodeColumn(column);
  return Buffer.concat([
    counts,
    numbers(frameOffsets),
    numbers(storedLengths),
    numbers(plainLengths),
    table.chunkIds,
    numbers(chunkFrames),
    numbers(chunkOffsets),
    numbers(chunkLengths),
  ]);
}

/** Checks the table's own consistency too, so that later look-ups need no bounds checks. */
export function decodePackTable(bytes: Buffer, pack: string): PackTable {
  const frames = bytes.length < 8 ? 0 : bytes.readUInt32LE(0);
  const chunks = bytes.length < 8 ? 0 : bytes.readUInt32LE(4);
  if (bytes.length !== packTableLength(frames, chunks)) throw inconsistent(pack);
  let position = 8;
  const take = (length: number): Buffer => bytes.subarray(position, (position += length));
  const column = (count: number): Uint32Array => decodeColumn(take(count * 4), count);
  const table: PackTable = {
    frameOffsets: column(frames),
    storedLengths: column(frames),
    plainLengths: column(frames),
    chunkIds: take(chunks * CHUNK_ID_BYTES),
    chunkFrames: column(chunks),
    chunkOffsets: column(chunks),
    chunkLengths: column(chunks),
  };
  for (let i = 0; i < chunks; i++) {
    const plainLength = table.plainLengths[table.chunkFrames[i]!];
    if (plainLength === undefined || table.chunkOffsets[i]! + table.chunkLengths[i]! > plainLength) throw inconsistent(pack);
  }
  return table;
}

export function chunkIdAt(table: PackTable, chunk: number): Buffer {
  return table.chunkIds.subarray(chunk * CHUNK_ID_BYTES, (chunk + 1) * CHUNK_ID_BYTES);
}

/** The same frames with some of their chunks only. */
export function selectChunks(table: PackTable, isWanted: (chunk: number) => boolean): PackTable {
  const chunks = [...table.chunkFrames.keys()].filter(isWanted);
  const column = (of: Uint32Array): Uint32Array => Uint32Array.from(chunks, (chunk) => of[chunk]!);
  return {
    ...table,
    chunkIds: Buffer.concat(chunks.map((chunk) => chunkIdAt(table, chunk))),
    chunkFrames: column(table.chunkFrames),
    chunkOffsets: column(table.chunkOffsets),
    chunkLengths: column(table.chunkLengths),
  };
}

function encodeColumn(column: Uint32Array): Buffer {
  const bytes = Buffer.alloc(column.length * 4);
  column.forEach((value, i) => bytes.writeUInt32LE(value, i * 4));
  return bytes;
}

function decodeColumn(bytes: Buffer, count: number): Uint32Array {
  const column = new Uint32Array(count);
  for (let i = 0; i < count; i++) column[i] = bytes.readUInt32LE(i * 4);
  return column;
}

function inconsistent(pack: string): RahatError {
  return new RahatError('repository_damaged', `The table of pack ${pack} contradicts itself.`);
}
