import { RahatError } from '@rahat/contracts';
import type { ArtifactSink } from '@rahat/connector-kit';
import type { ArchiveReader } from './archive-reader.js';
import type { TocEntry } from './archive-toc.js';
import { largeObjectGroupKey, largeObjectKey } from './artifact-names.js';

/** More than this and objects share artifacts: an artifact of its own costs more than a small object is worth. */
const MOST_SINGLE_OBJECTS = 500;
const OBJECTS_PER_GROUP = 1_000;

/** Writes the large objects of one block. Gives how many there were. */
export async function writeLargeObjects(
  reader: ArchiveReader,
  entry: TocEntry,
  sink: ArtifactSink,
  expected: number,
  nextOrder: () => number,
): Promise<number> {
  return expected > MOST_SINGLE_OBJECTS ? writeGroups(reader, entry, sink, nextOrder) : writeSingly(reader, entry, sink, nextOrder);
}

async function writeSingly(reader: ArchiveReader, entry: TocEntry, sink: ArtifactSink, nextOrder: () => number): Promise<number> {
  let count = 0;
  for (let oid = await reader.nextLargeObject(entry); oid !== undefined; oid = await reader.nextLargeObject(entry)) {
    reader.resetSum();
    const number = oid;
    await sink.write({ key: largeObjectKey(oid), kind: 'blob', order: nextOrder(), class: 'rows' }, reader.largeObject(entry, oid), () => ({
      ...reader.sum(),
      meta: { dumpId: entry.dumpId, oid: number },
    }));
    count++;
  }
  return count;
}

async function writeGroups(reader: ArchiveReader, entry: TocEntry, sink: ArtifactSink, nextOrder: () => number): Promise<number> {
  let count = 0;
  let oid = await reader.nextLargeObject(entry);
  // A record: number, then pieces with their length before them, then length 0; all lengths four bytes little-endian.
  async function* records(): AsyncGenerator<Buffer> {
    for (let inGroup = 0; oid !== undefined && inGroup < OBJECTS_PER_GROUP; inGroup++) {
      yield uint32(oid);
      for await (const piece of reader.largeObject(entry, oid)) {
        yield uint32(piece.length);
        yield piece;
      }
      yield uint32(0);
      count++;
      oid = await reader.nextLargeObject(entry);
    }
  }
  for (let group = 0; oid !== undefined; group++) {
    reader.resetSum();
    await sink.write({ key: largeObjectGroupKey(entry.dumpId, group), kind: 'blob', order: nextOrder(), class: 'rows' }, records(), () => ({
      ...reader.sum(),
      meta: { dumpId: entry.dumpId },
    }));
  }
  return count;
}

export interface LargeObjectPiece {
  oid: number;
  /** Empty at the object's end. */
  piece: Buffer;
}

/** Reads a group artifact back, whose pieces are lent; so are the ones it gives. */
export async function* readGroup(stream: AsyncIterable<Buffer>): AsyncGenerator<LargeObjectPiece> {
  const source = stream[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer | undefined> => {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (held.length === 0) {
        const next = await source.next();
        if (next.done) {
          if (missing === length) return undefined;
          throw damaged();
        }
        held = next.value;
        continue;
      }
      const part = held.subarray(0, missing);
      held = held.subarray(part.length);
      missing -= part.length;
      // What goes on in the next piece of the stream is copied, because this one is gone by then.
      parts.push(missing > 0 ? Buffer.from(part) : part);
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  };
  for (let header = await take(4); header; header = await take(4)) {
    const oid = header.readUInt32LE();
    for (;;) {
      const length = (await take(4))?.readUInt32LE();
      if (length === undefined) throw damaged();
      if (length === 0) break;
      const piece = await take(length);
      if (!piece) throw damaged();
      yield { oid, piece };
    }
    yield { oid, piece: Buffer.alloc(0) };
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function damaged(): RahatError {
  return new RahatError('dump_invalid', 'A group of large objects in the backup ends too early');
}
