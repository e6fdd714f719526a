import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import type { RepositoryContext } from '../context.js';
import type { PackKind } from '../keys/pack-keys.js';
import { COLLECTIONS_PREFIX, INDEX_PREFIX, packHash, PACKS_PREFIX } from '../layout.js';
import { chunkIdAt } from '../packs/pack-table.js';
import { readPackDirectory } from '../packs/pack-reader.js';
import { openSealedFile, sealFile } from '../sealed-files/sealed-file.js';
import { ChunkTable } from './chunk-table.js';
import { decodeIndexSegment, encodeIndexSegment, type IndexedPack, type IndexSegment } from './index-segment.js';

export interface KnownPack {
  hash: string;
  sizeBytes: number;
  kind: PackKind;
  frameOffsets: Uint32Array;
  storedLengths: Uint32Array;
  plainLengths: Uint32Array;
}

/** Union of all index segments in memory. */
export class RepositoryIndex {
  readonly packs: KnownPack[] = [];
  readonly chunks = new ChunkTable();
  /** Adds the packs that no readable segment names, from their footers; takes effect once. */
  adoptUnindexed?: () => Promise<void>;
  private readonly numbers = new Map<string, number>();

  /** Gives the pack's number; a pack that several segments name is taken once. */
  addPack({ hash, sizeBytes, kind, table }: IndexedPack): number {
    const known = this.numbers.get(hash);
    if (known !== undefined) return known;
    const { frameOffsets, storedLengths, plainLengths, chunkFrames, chunkOffsets, chunkLengths } = table;
    const pack = this.packs.push({ hash, sizeBytes, kind, frameOffsets, storedLengths, plainLengths }) - 1;
    this.numbers.set(hash, pack);
    for (let i = 0; i < chunkFrames.length; i++) {
      this.chunks.set(chunkIdAt(table, i), { pack, frame: chunkFrames[i]!, offset: chunkOffsets[i]!, length: chunkLengths[i]! });
    }
    return pack;
  }

  packNumber(hash: string): number | undefined {
    return this.numbers.get(hash);
  }
}

async function adoptUnindexedPacks(context: RepositoryContext, index: RepositoryIndex): Promise<void> {
  for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) {
    const hash = packHash(name);
    if (index.packNumber(hash) !== undefined) continue;
    try {
      index.addPack({ hash, sizeBytes, ...(await readPackDirectory(context, hash, sizeBytes)) });
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
}

/**
 * Every segment that opens; a vanished one was compacted away, so the listing is taken again (repository.md §9). A damaged one
 * is passed over, and reported by checks: writers store again what only it knew, readers find it by the packs' footers.
 */
async function* readIndexSegments(context: RepositoryContext): AsyncGenerator<IndexSegment> {
  const seen = new Set<string>();
  for (let vanished = true; vanished; ) {
    vanished = false;
    for await (const { name } of context.store.list(INDEX_PREFIX)) {
      if (seen.has(name)) continue;
      let segment: IndexSegment | undefined;
      try {
        segment = openIndexSegment(context, name, await context.store.get(name));
      } catch (error) {
        if (error instanceof RahatError && error.code === 'blob_not_found') {
          vanished = true;
          continue;
        }
        if (!isDamage(error)) throw error;
      }
      seen.add(name);
      if (segment) yield segment;
    }
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof RahatError && error.code === 'repository_damaged';
}

export function openIndexSegment(context: RepositoryContext, name: string, file: Buffer): IndexSegment {
  const identity = { repositoryId: context.repositoryId, type: 'index', name } as const;
  return decodeIndexSegment(openSealedFile(context.keys.metadata, identity, file), name);
}

export function sealIndexSegment(context: RepositoryContext, name: string, segment: IndexSegment): Buffer {
  return sealFile(context.keys.metadata, { repositoryId: context.repositoryId, type: 'index', name }, encodeIndexSegment(segment));
}

export async function loadIndexForReading(context: RepositoryContext): Promise<RepositoryIndex> {
  const index = new RepositoryIndex();
  for await (const { packs } of readIndexSegments(context)) packs.forEach((pack) => index.addPack(pack));
  let adoption: Promise<void> | undefined;
  index.adoptUnindexed = () => (adoption ??= adoptUnindexedPacks(context, index));
  return index;
}

/**
 * What a writer may deduplicate against: no pack that a collection condemns (repository.md §7.1, listed before the index), and
 * none that is missing or cut off, so that the next backup heals what was lost.
 */
export async function loadIndexForWriting(context: RepositoryContext): Promise<RepositoryIndex> {
  const condemned = await condemnedPacks(context);
  const stored = new Map<string, number>();
  const segments: IndexSegment[] = [];
  for await (const segment of readIndexSegments(context)) segments.push(segment);
  if (segments.length > 0) {
    for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) stored.set(packHash(name), sizeBytes);
  }
  const index = new RepositoryIndex();
  for (const { packs } of segments) {
    for (const pack of packs) {
      if (!condemned.has(pack.hash) && stored.get(pack.hash) === pack.sizeBytes) index.addPack(pack);
    }
  }
  return index;
}

/** Payload of a file under collections/, as far as writers must understand it. */
const CollectionFile = z.object({ format: z.literal(1), condemned: z.array(z.string()) });

async function condemnedPacks(context: RepositoryContext): Promise<Set<string>> {
  const condemned = new Set<string>();
  for await (const { name } of context.store.list(COLLECTIONS_PREFIX)) {
    const identity = { repositoryId: context.repositoryId, type: 'collection', name } as const;
    const payload = openSealedFile(context.keys.metadata, identity, await context.store.get(name));
    for (const hash of CollectionFile.parse(JSON.parse(payload.toString('utf8'))).condemned) condemned.add(hash);
  }
  return condemned;
}
