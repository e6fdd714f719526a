import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { INDEX_PREFIX } from '../layout.js';
import type { PackTable } from '../packs/pack-table.js';
import { ChunkTable, type ChunkTableOptions } from './chunk-table.js';
import { IndexCache } from './index-cache.js';
import type { IndexFacts } from './index-cache-file.js';
import type { IndexedPack, IndexSegment } from './index-segment.js';
import { RepositoryIndex } from './repository-index.js';
import { openSpillFile } from './sealed-blocks.js';
import { openIndexSegment, visitIndexSegments } from './segment-files.js';

/** Above these the cache file is written anew, so that the next session doesn't open the same segments again. */
const MAX_OPENED_SEGMENTS = 64;
const MAX_OPENED_ROWS = 16 * 1024;
const MAX_OPENED_SHARE = 1 / 32;
/** Of a sealed segment; of these the id takes 32, which nothing compresses. */
const BYTES_PER_CHUNK = 36;

type TakenSegment = { id: string; cached: number[] } | { id: string; packs: IndexedPack[] };

/**
 * The union of all segments that the storage lists and that open, in bounded memory: segments are taken in one after the
 * other, and what the local cache holds already is neither fetched nor opened.
 */
export async function loadIndex(context: RepositoryContext): Promise<RepositoryIndex> {
  const cache = IndexCache.open(context);
  const stored = cache?.openIndex(tableOptions(context, cache));
  const loaded = await new IndexLoader(context, cache, stored).load();
  if (loaded) return loaded;
  // The cache contradicts the repository, or turned out damaged while it was used.
  stored?.chunks.close();
  const anew = await new IndexLoader(context, cache, undefined).load();
  if (!anew) throw new RahatError('internal', 'The index contradicts itself without a cache.');
  return anew;
}

class IndexLoader {
  private index: RepositoryIndex;
  private digests: string[];
  private readonly segments = new Map<string, number[]>();
  /** Of the cached packs those that a listed segment names. */
  private readonly named: Uint8Array;
  private readonly opened = new Set<string>();
  private openedRows = 0;

  constructor(
    private readonly context: RepositoryContext,
    private readonly cache: IndexCache | undefined,
    private readonly stored: { chunks: ChunkTable; facts: IndexFacts } | undefined,
  ) {
    this.index = new RepositoryIndex(stored?.chunks ?? new ChunkTable(tableOptions(context, cache)), [...(stored?.facts.packs ?? [])]);
    this.digests = [...(stored?.facts.digests ?? [])];
    this.named = new Uint8Array(this.digests.length);
  }

  /** undefined where the load must be repeated without the cached rows. */
  async load(): Promise<RepositoryIndex | undefined> {
    const storedRows = this.index.chunks.capacity;
    if (!this.stored) await this.reserveRows();
    for await (const segment of visitIndexSegments(this.context, (name) => this.take(name))) {
      if ('cached' in segment) {
        this.segments.set(segment.id, segment.cached);
        for (const pack of segment.cached) this.named[pack] = 1;
      } else if (!this.addSegment(segment.id, segment.packs)) {
        return undefined;
      }
    }
    const vanished = this.named.includes(0);
    if (vanished) this.dropVanishedPacks();
    if (this.stored && this.stored.chunks.lostBlocks > 0) {
      this.index.close();
      return undefined;
    }
    if (this.cache) {
      const outgrown = this.openedRows > Math.max(MAX_OPENED_ROWS, storedRows * MAX_OPENED_SHARE);
      const worthwhile = vanished || outgrown || this.opened.size > MAX_OPENED_SEGMENTS;
      const { packs, chunks } = this.index;
      const saved = worthwhile && (await this.cache.saveIndex(chunks, { packs, digests: this.digests, segments: this.segments }));
      if (saved || this.opened.size > 0) this.cache.sweep(saved ? new Set() : this.opened);
    }
    return this.index;
  }

  /** Growing step by step would take twice the memory for a while. */
  private async reserveRows(): Promise<void> {
    let bytes = 0;
    for await (const { sizeBytes } of this.context.store.list(INDEX_PREFIX)) bytes += sizeBytes;
    this.index.chunks.reserve(Math.ceil(bytes / BYTES_PER_CHUNK));
  }

  /** Called for several segments at once; changes nothing. */
  private async take(name: string): Promise<TakenSegment> {
    const id = name.slice(INDEX_PREFIX.length);
    const cached = this.stored?.facts.segments.get(id);
    return cached ? { id, cached } : { id, packs: (await this.openSegment(name, id)).packs };
  }

  private async openSegment(name: string, id: string): Promise<IndexSegment> {
    const copy = this.cache?.segment(id);
    if (copy) {
      try {
        return openIndexSegment(this.context, name, copy);
      } catch (error) {
        if (!(error instanceof RahatError) || error.code !== 'repository_damaged') throw error;
        this.cache?.dropSegment(id);
      }
    }
    const file = await this.context.store.get(name);
    const segment = openIndexSegment(this.context, name, file);
    this.cache?.keepSegment(id, file);
    return segment;
  }

  /** false where the cache knows a pack otherwise than this segment does. */
  private addSegment(id: string, packs: IndexedPack[]): boolean {
    const numbers: number[] = [];
    for (const pack of packs) {
      const known = this.index.packNumber(pack.hash);
      const number = this.index.addPack(pack);
      if (known === undefined) this.digests.push(this.cache ? digestOf(pack) : '');
      else if (known < this.named.length) {
        if (this.digests[known] !== digestOf(pack)) return false;
        this.named[known] = 1;
      }
      numbers.push(number);
      this.openedRows += pack.table.chunkFrames.length;
    }
    this.segments.set(id, numbers);
    this.opened.add(id);
    return true;
  }

  /** A collection took their segments away, and them with it or soon. */
  private dropVanishedPacks(): void {
    const numbers = new Int32Array(this.index.packs.length).fill(-1);
    const kept = this.index.packs.flatMap((_, pack) => (pack < this.named.length && !this.named[pack] ? [] : [pack]));
    kept.forEach((pack, number) => (numbers[pack] = number));
    const chunks = new ChunkTable(tableOptions(this.context, this.cache));
    chunks.reserve(this.index.chunks.capacity);
    this.index.chunks.copyTo(chunks, numbers);
    const { packs } = this.index;
    this.index.close();
    this.index = new RepositoryIndex(
      chunks,
      kept.map((pack) => packs[pack]!),
    );
    this.digests = kept.map((pack) => this.digests[pack]!);
    for (const [id, named] of this.segments) {
      this.segments.set(
        id,
        named.map((pack) => numbers[pack]!),
      );
    }
  }
}

function tableOptions({ indexMemoryBytes, notice }: RepositoryContext, cache: IndexCache | undefined): ChunkTableOptions {
  return {
    ...(indexMemoryBytes === undefined ? {} : { memoryBytes: indexMemoryBytes }),
    ...(notice ? { notice } : {}),
    openSpill: () => openSpillFile(cache?.spillFolder ?? tmpdir()),
  };
}

/** Of all that an index says of a pack's inside. */
function digestOf({ kind, sizeBytes, table }: IndexedPack): string {
  const hash = createHash('sha256').update(`${kind} ${sizeBytes} ${table.frameOffsets.length} ${table.chunkFrames.length}`);
  const columns: (keyof PackTable)[] = [
    'frameOffsets',
    'storedLengths',
    'plainLengths',
    'chunkIds',
    'chunkFrames',
    'chunkOffsets',
    'chunkLengths',
  ];
  for (const column of columns) {
    const { buffer, byteOffset, byteLength } = table[column];
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex').slice(0, 32);
}
