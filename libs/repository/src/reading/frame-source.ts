import type { ByteRange } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { FrameOpener } from '../frames/frame-opener.js';
import type { WantedIds } from '../frames/opened-frame.js';
import type { KnownPack, RepositoryIndex } from '../index/repository-index.js';
import { packName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackKey } from '../packs/pack-reader.js';
import { Slots } from '../slots.js';
import { release } from '../threads/jobs.js';
import { FrameMemory, type FetchedFrame, type HeldFrame } from './frame-memory.js';
import { coalesce, frameName, type FramePlace, type RangedRead } from './ranged-reads.js';

export interface WantedFrame extends FramePlace {
  wanted?: WantedIds;
}

const MAX_CACHED_KEYS = 4096;
/** As many as an S3 client has connections. A stream whose chunks lie in thousands of small packs would open thousands of files. */
const OPEN_READS = 64;

export function openReadsOf({ openReads = OPEN_READS, protocol }: RepositoryContext): number {
  return protocol.readsAreBounded ? openReads : Infinity;
}

/** Frames of a session's index: fetched by coalesced ranged reads, authenticated, and shared by all that read at the same time. */
export class FrameSource {
  readonly opener: FrameOpener;
  readonly memory: FrameMemory;
  private readonly slots: Slots;
  private readonly packKeys = new Map<number, Promise<Buffer>>();

  constructor(
    readonly context: RepositoryContext,
    readonly index: RepositoryIndex,
    private readonly lease?: Lease,
  ) {
    this.opener = new FrameOpener(context.threads);
    this.memory = new FrameMemory(context.protocol.framesAreBounded ? context.frameMemoryBytes : Infinity);
    this.slots = new Slots(openReadsOf(context));
  }

  /** Starts the reads that are needed. Whoever holds a frame opens it when its turn comes, and releases it. Places must be distinct. */
  hold(places: WantedFrame[], signal?: AbortSignal): HeldFrame[] {
    const held = new Map<FramePlace, HeldFrame>();
    const missing: WantedFrame[] = [];
    for (const place of places) {
      const kept = this.memory.hold(frameName(place));
      if (kept) held.set(place, kept);
      else missing.push(place);
    }
    for (const read of coalesce(this.index.packs, missing)) {
      const fetched = this.fetch(read, signal);
      read.places.forEach((place, i) => held.set(place, this.memory.add(frameName(place), fetched[i]!)));
    }
    return places.map((place) => held.get(place)!);
  }

  private fetch({ pack, offset, length, places }: RangedRead<WantedFrame>, signal: AbortSignal | undefined): FetchedFrame[] {
    const reading = Promise.all([this.readPack(pack, { offset, length }, signal), this.packKey(places[0]!.pack)]);
    // Whoever opens a frame sees the error; one that nobody opens any more must not end the process.
    reading.catch(() => undefined);
    let unopened = places.length;
    return places.map(({ frame, wanted }) => ({
      storedBytes: pack.storedLengths[frame]!,
      plainBytes: pack.plainLengths[frame]!,
      open: async () => {
        const [bytes, key] = await reading;
        const start = pack.frameOffsets[frame]! - offset;
        const sealed = bytes.subarray(start, start + pack.storedLengths[frame]!);
        const identity = { repositoryId: this.context.repositoryId, pack: pack.hash, frameNumber: frame };
        const opened = this.opener.open({ ...identity, plainLength: pack.plainLengths[frame]!, key, sealed, wanted });
        if (--unopened === 0) release(bytes);
        return opened;
      },
    }));
  }

  private async readPack(pack: KnownPack, range: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    await this.slots.acquire();
    try {
      return await this.context.store.get(packName(pack.hash), range, { signal });
    } catch (error) {
      if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
      // Nothing is damaged when a collection passed a session over that was suspended or cut off: that one begins anew.
      await this.lease?.assertStored();
      throw new RahatError('repository_damaged', `Pack ${pack.hash} is missing in the storage.`, { cause: error });
    } finally {
      this.slots.release();
    }
  }

  private packKey(pack: number): Promise<Buffer> {
    let key = this.packKeys.get(pack);
    if (!key) {
      if (this.packKeys.size >= MAX_CACHED_KEYS) this.packKeys.clear();
      const known = this.index.packs[pack]!;
      key = this.readPack(known, { offset: 0, length: PACK_HEADER_BYTES }).then((bytes) => openPackKey(this.context, known.hash, bytes));
      key.catch(() => this.packKeys.delete(pack));
      this.packKeys.set(pack, key);
    }
    return key;
  }
}
