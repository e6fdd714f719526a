import type { ByteRange } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { openFrame } from '../frames/frame-codec.js';
import type { RepositoryContext } from '../context.js';
import type { KnownPack, RepositoryIndex } from '../index/repository-index.js';
import { packName } from '../layout.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackKey } from '../packs/pack-reader.js';

export interface FramePlace {
  pack: number;
  frame: number;
}

const MAX_READ_BYTES = 8 * 1024 * 1024;
/** Reading over a gap of this size is cheaper than another request. */
const MAX_GAP_BYTES = 128 * 1024;
const CACHE_BYTES = 24 * 1024 * 1024;
const MAX_CACHED_KEYS = 4096;

/** Decoded frames: fetched by coalesced ranged reads, authenticated, and kept for a while, because neighbours share them. */
export class FrameSource {
  private readonly cache = new Map<string, { frame: Promise<Buffer>; bytes: number }>();
  private cachedBytes = 0;
  private readonly packKeys = new Map<number, Promise<Buffer>>();

  constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
  ) {}

  /** Starts the reads that are needed; the caller awaits each frame when it gets there. Places must be distinct. */
  fetch(places: FramePlace[], signal?: AbortSignal): Promise<Buffer>[] {
    const frames = new Map<FramePlace, Promise<Buffer>>();
    const missing: FramePlace[] = [];
    for (const place of places) {
      const cached = this.cached(place);
      if (cached) frames.set(place, cached);
      else missing.push(place);
    }
    for (const run of this.coalesce(missing)) {
      const bytes = this.readRun(run, signal);
      for (const place of run) {
        const frame = bytes.then(({ file, offset }) => this.decode(place, file, offset));
        // Whoever asked for it sees the error; one that nobody awaits any more must not end the process.
        frame.catch(() => undefined);
        frames.set(place, frame);
        this.remember(place, frame);
      }
    }
    return places.map((place) => frames.get(place)!);
  }

  private coalesce(places: FramePlace[]): FramePlace[][] {
    const sorted = places.toSorted((a, b) => a.pack - b.pack || a.frame - b.frame);
    const runs: FramePlace[][] = [];
    for (const place of sorted) {
      const run = runs.at(-1);
      const first = run?.[0];
      if (run && first && first.pack === place.pack) {
        const pack = this.index.packs[place.pack]!;
        const gap = pack.frameOffsets[place.frame]! - endOf(pack, run.at(-1)!.frame);
        const length = endOf(pack, place.frame) - pack.frameOffsets[first.frame]!;
        if (gap <= MAX_GAP_BYTES && length <= MAX_READ_BYTES) {
          run.push(place);
          continue;
        }
      }
      runs.push([place]);
    }
    return runs;
  }

  private async readRun(run: FramePlace[], signal?: AbortSignal): Promise<{ file: Buffer; offset: number }> {
    const pack = this.index.packs[run[0]!.pack]!;
    const offset = pack.frameOffsets[run[0]!.frame]!;
    return { file: await this.readPack(pack, { offset, length: endOf(pack, run.at(-1)!.frame) - offset }, signal), offset };
  }

  private async readPack(pack: KnownPack, range: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    try {
      return await this.context.store.get(packName(pack.hash), range, { signal });
    } catch (error) {
      if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
      throw new RahatError('repository_damaged', `Pack ${pack.hash} is missing in the storage.`, { cause: error });
    }
  }

  private async decode({ pack, frame }: FramePlace, file: Buffer, fileOffset: number): Promise<Buffer> {
    const known = this.index.packs[pack]!;
    const start = known.frameOffsets[frame]! - fileOffset;
    return openFrame(await this.packKey(pack), file.subarray(start, start + known.storedLengths[frame]!), {
      repositoryId: this.context.repositoryId,
      pack: known.hash,
      frameNumber: frame,
      plainLength: known.plainLengths[frame]!,
    });
  }

  private packKey(pack: number): Promise<Buffer> {
    let key = this.packKeys.get(pack);
    if (!key) {
      if (this.packKeys.size >= MAX_CACHED_KEYS) this.packKeys.clear();
      const { hash } = this.index.packs[pack]!;
      const header = this.readPack(this.index.packs[pack]!, { offset: 0, length: PACK_HEADER_BYTES });
      key = header.then((bytes) => openPackKey(this.context, hash, bytes));
      key.catch(() => this.packKeys.delete(pack));
      this.packKeys.set(pack, key);
    }
    return key;
  }

  private cached(place: FramePlace): Promise<Buffer> | undefined {
    const key = cacheKey(place);
    const entry = this.cache.get(key);
    if (!entry) return undefined;
    this.cache.delete(key);
    this.cache.set(key, entry);
    return entry.frame;
  }

  private remember(place: FramePlace, frame: Promise<Buffer>): void {
    const key = cacheKey(place);
    const bytes = this.index.packs[place.pack]!.plainLengths[place.frame]!;
    this.cache.set(key, { frame, bytes });
    this.cachedBytes += bytes;
    frame.catch(() => this.forget(key));
    for (const oldest of this.cache.keys()) {
      if (this.cachedBytes <= CACHE_BYTES) break;
      this.forget(oldest);
    }
  }

  private forget(key: string): void {
    const entry = this.cache.get(key);
    if (entry && this.cache.delete(key)) this.cachedBytes -= entry.bytes;
  }
}

function endOf(pack: KnownPack, frame: number): number {
  return pack.frameOffsets[frame]! + pack.storedLengths[frame]!;
}

function cacheKey({ pack, frame }: FramePlace): string {
  return `${pack}/${frame}`;
}
