import type { Artifact, ArtifactSource } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { INT_SIZE, TocScanner, type Toc, type TocEntry } from './archive-toc.js';
import { FACTS_KEY, LargeObjectMeta, RowsMeta, TOC_KEY } from './artifact-names.js';
import { DatabaseFacts } from './database-facts.js';
import { readGroup } from './large-objects.js';

const DATA_BLOCK = 1;
const LARGE_OBJECTS_BLOCK = 3;
/** Small parts go to the tool together: a table of contents alone may have hundreds of thousands of entries. */
const WRITE_BYTES = 256 * 1024;
/** pg_restore takes a frame into memory whole. */
const LARGEST_FRAME = 1024 * 1024;
const LARGE_OBJECTS = 'BLOBS';

/** A logical backup as it lies in its artifacts. */
export interface StoredDump {
  source: ArtifactSource;
  facts: DatabaseFacts;
  toc: Toc;
  /** Major of the pg_dump that wrote it. */
  major: number;
  /** Artifacts with the data of an entry, in the order of the archive. */
  data: Map<number, Artifact[]>;
}

/** Reads what a restore or a check needs to know first, and refuses a backup whose parts don't fit together. */
export async function openStoredDump(source: ArtifactSource): Promise<StoredDump> {
  const byKey = new Map(source.artifacts.map((artifact) => [artifact.key, artifact]));
  const factsArtifact = byKey.get(FACTS_KEY);
  const tocArtifact = byKey.get(TOC_KEY);
  if (!factsArtifact || !tocArtifact)
    throw new RahatError('dump_invalid', 'This backup is not a logical one of PostgreSQL, or its table of contents is missing');
  const facts = DatabaseFacts.parse(JSON.parse((await whole(source.read(factsArtifact))).toString('utf8')));
  const toc = await readToc(source, tocArtifact);
  if (!toc) throw new RahatError('dump_invalid', 'The table of contents of this backup is cut off');
  const data = new Map<number, Artifact[]>();
  for (const artifact of [...source.artifacts].sort((left, right) => left.order - right.order)) {
    if (artifact.kind !== 'rows' && artifact.kind !== 'blob') continue;
    const { dumpId } = artifact.kind === 'rows' ? RowsMeta.parse(artifact.meta) : LargeObjectMeta.parse(artifact.meta);
    const known = data.get(dumpId);
    if (known) known.push(artifact);
    else data.set(dumpId, [artifact]);
  }
  return { source, facts, toc, major: Number.parseInt(toc.dumpVersion, 10), data };
}

// It may be tens of megabytes, so there is never a second copy of it.
async function readToc(source: ArtifactSource, artifact: Artifact): Promise<Toc | undefined> {
  const scanner = new TocScanner(artifact.sizeBytes);
  let toc: Toc | undefined;
  for await (const piece of source.read(artifact)) toc = scanner.push(piece);
  return toc;
}

/** Entries with data whose artifact is not there. */
export function entriesWithoutData(dump: StoredDump): TocEntry[] {
  return dump.toc.entries.filter((entry) => entry.hasData && !isLargeObjects(entry) && dump.data.get(entry.dumpId)?.length !== 1);
}

export function isLargeObjects(entry: TocEntry): boolean {
  return entry.description === LARGE_OBJECTS;
}

/** Table rows that a restored server can be asked for. Rows of an extension's own tables are mixed with what CREATE EXTENSION put there. */
export function comparableTables(toc: Toc): TocEntry[] {
  const defined = new Set(toc.entries.filter((entry) => entry.description === 'TABLE').map((entry) => `${entry.namespace}\0${entry.tag}`));
  return toc.entries.filter((entry) => entry.hasData && entry.hasCopyStatement && defined.has(`${entry.namespace}\0${entry.tag}`));
}

/** The archive as pg_restore wants it, made anew of the chosen entries. */
export function archiveOf(dump: StoredDump, entries: readonly TocEntry[], onBytes: (length: number) => void): AsyncGenerator<Buffer> {
  return gathered(archiveParts(dump, entries, onBytes));
}

/** Copies the parts, which are lent, into pieces of one size. */
async function* gathered(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(WRITE_BYTES);
  let length = 0;
  for await (const part of parts) {
    for (let taken = 0; taken < part.length;) {
      const copied = part.copy(piece, length, taken);
      taken += copied;
      length += copied;
      if (length < WRITE_BYTES) continue;
      yield piece;
      piece = Buffer.allocUnsafe(WRITE_BYTES);
      length = 0;
    }
  }
  yield piece.subarray(0, length);
}

async function* archiveParts(dump: StoredDump, entries: readonly TocEntry[], onBytes: (length: number) => void): AsyncGenerator<Buffer> {
  yield dump.toc.prelude;
  yield int(entries.length);
  for (const entry of entries) yield entry.raw;
  for (const entry of entries) {
    if (!entry.hasData) continue;
    const artifacts = dump.data.get(entry.dumpId) ?? [];
    const largeObjects = isLargeObjects(entry);
    yield Buffer.concat([Buffer.from([largeObjects ? LARGE_OBJECTS_BLOCK : DATA_BLOCK]), int(entry.dumpId)]);
    for (const artifact of artifacts) {
      const frames = largeObjects ? largeObjectFrames(dump, artifact) : framed(dump.source.read(artifact));
      for await (const frame of frames) {
        onBytes(frame.length);
        yield frame;
      }
    }
    if (largeObjects) yield int(0);
  }
}

async function* largeObjectFrames(dump: StoredDump, artifact: Artifact): AsyncGenerator<Buffer> {
  const { oid } = LargeObjectMeta.parse(artifact.meta);
  if (oid !== undefined) {
    yield int(oid);
    yield* framed(dump.source.read(artifact));
    return;
  }
  let open: number | undefined;
  for await (const record of readGroup(dump.source.read(artifact))) {
    if (open === undefined) yield int(record.oid);
    open = record.oid;
    if (record.piece.length > 0) {
      yield* frames(record.piece);
      continue;
    }
    yield int(0);
    open = undefined;
  }
}

async function* framed(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of content) yield* frames(piece);
  yield int(0);
}

function* frames(piece: Buffer): Generator<Buffer> {
  for (let from = 0; from < piece.length; from += LARGEST_FRAME) {
    const part = piece.subarray(from, from + LARGEST_FRAME);
    yield int(part.length);
    yield part;
  }
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(1 + INT_SIZE);
  bytes.writeUInt8(value < 0 ? 1 : 0);
  bytes.writeUInt32LE(Math.abs(value), 1);
  return bytes;
}

async function whole(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export function isLogical(source: ArtifactSource): boolean {
  return source.artifacts.some((artifact) => artifact.key === TOC_KEY && artifact.kind === 'header');
}
