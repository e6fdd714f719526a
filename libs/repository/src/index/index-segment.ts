import { RahatError } from '@rahat/contracts';
import type { PackKind } from '../keys/pack-keys.js';
import { PACK_KINDS } from '../keys/pack-keys.js';
import { decodePackTable, encodePackTable, type PackTable } from '../packs/pack-table.js';

export interface IndexedPack {
  /** SHA-256 of the file, hex. */
  hash: string;
  sizeBytes: number;
  kind: PackKind;
  table: PackTable;
}

/** Payload of a sealed file under index/ (docs/REPOSITORY_FORMAT.md, "Index segment"). */
export interface IndexSegment {
  writer: string;
  /** Ids of the segments that a compacted one stands for. */
  replaces: string[];
  packs: IndexedPack[];
}

const VERSION = 1;
const PACK_ROW_BYTES = 32 + 4 + 1 + 4;
const SEGMENT_ID_BYTES = 16;

export function encodeIndexSegment(segment: IndexSegment): Buffer {
  const writer = Buffer.from(segment.writer, 'utf8');
  const parts: Buffer[] = [uint32(VERSION), uint32(writer.length), writer, uint32(segment.replaces.length)];
  parts.push(...segment.replaces.map((id) => Buffer.from(id, 'hex')), uint32(segment.packs.length));
  for (const { hash, sizeBytes, kind, table } of segment.packs) {
    const encoded = encodePackTable(table);
    parts.push(Buffer.from(hash, 'hex'), uint32(sizeBytes), Buffer.from([PACK_KINDS[kind]]), uint32(encoded.length), encoded);
  }
  return Buffer.concat(parts);
}

export function decodeIndexSegment(bytes: Buffer, name: string): IndexSegment {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof RahatError) throw error;
    throw new RahatError('repository_damaged', `Index segment ${name} cannot be understood.`, { cause: error });
  }
}

function decode(bytes: Buffer): IndexSegment {
  let position = 0;
  const take = (length: number): Buffer => {
    if (position + length > bytes.length) throw new RangeError('the segment ends too early');
    return bytes.subarray(position, (position += length));
  };
  const number = (): number => take(4).readUInt32LE(0);
  const version = number();
  if (version !== VERSION) throw new RahatError('repository_unsupported', `An index segment has the unknown version ${version}.`);
  const writer = take(number()).toString('utf8');
  const replaces = Array.from({ length: bounded(number(), bytes.length / SEGMENT_ID_BYTES) }, () => take(SEGMENT_ID_BYTES).toString('hex'));
  const packs = Array.from({ length: bounded(number(), bytes.length / PACK_ROW_BYTES) }, (): IndexedPack => {
    const hash = take(32).toString('hex');
    const sizeBytes = number();
    const kind: PackKind = take(1)[0] === PACK_KINDS.data ? 'data' : 'metadata';
    return { hash, sizeBytes, kind, table: decodePackTable(take(number()), hash) };
  });
  return { writer, replaces, packs };
}

function bounded(count: number, limit: number): number {
  if (count > limit) throw new RangeError('a count is larger than the segment');
  return count;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
