import type { BlobEntry, BlobStat, BlobStore, BlobStoreCapabilities, ByteRange, CallOptions, PutOptions } from '@rahat/blob-store-port';
import { PACKS_PREFIX } from '../layout.js';
import type { SimulatedMachine } from './simulated-machine.js';

/** Requests for parts of packs that a session may have under way here. */
export const OPEN_READS = 4;
/** The most of anything: segments of the index that are fetched ahead, besides which a lease is renewed. */
const OPEN_CALLS = 10;

/** Counts what a machine has under way, from the call to its answer or the end of patience with it (repository.md §13.8). */
export class WatchedStore implements BlobStore {
  private calls = 0;
  private reads = 0;

  constructor(
    private readonly store: BlobStore,
    private readonly machine: SimulatedMachine,
    private readonly violate: (message: string) => void,
  ) {}

  get capabilities(): BlobStoreCapabilities {
    return this.store.capabilities;
  }

  get description(): string {
    return this.store.description;
  }

  put(name: string, body: Uint8Array, options?: PutOptions): Promise<void> {
    return this.counted(name, this.store.put(name, body, options));
  }

  async get(name: string, range?: ByteRange, options?: CallOptions): Promise<Buffer> {
    const isRead = name.startsWith(PACKS_PREFIX);
    if (isRead && ++this.reads > OPEN_READS) this.violate(`A machine had ${this.reads} reads of packs under way.`);
    try {
      const bytes = await this.counted(name, this.store.get(name, range, options));
      if (isRead) this.machine.fetchedBytes += bytes.length;
      return bytes;
    } finally {
      if (isRead) this.reads--;
    }
  }

  stat(name: string, options?: CallOptions): Promise<BlobStat | undefined> {
    return this.counted(name, this.store.stat(name, options));
  }

  remove(name: string, options?: CallOptions): Promise<void> {
    return this.counted(name, this.store.remove(name, options));
  }

  list(prefix: string, options?: CallOptions): AsyncIterable<BlobEntry> {
    return this.store.list(prefix, options);
  }

  private async counted<T>(name: string, call: Promise<T>): Promise<T> {
    if (++this.calls > OPEN_CALLS) this.violate(`A machine had ${this.calls} calls under way, the last for ${name}.`);
    try {
      return await call;
    } finally {
      this.calls--;
    }
  }
}
