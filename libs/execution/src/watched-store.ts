import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from '@rahat/blob-store-port';

/** Tells of each call that the storage answered: work that has no progress of its own is alive as long as these come. */
export class WatchedStore implements BlobStore {
  readonly extendLock: BlobStore['extendLock'];

  constructor(
    private readonly inner: BlobStore,
    private readonly onCall: (name: string, bytes: number) => void,
  ) {
    this.extendLock = inner.extendLock && ((...call) => inner.extendLock!(...call));
  }

  get capabilities() {
    return this.inner.capabilities;
  }

  get description(): string {
    return this.inner.description;
  }

  async put(name: string, body: Uint8Array, options?: PutOptions): Promise<void> {
    await this.inner.put(name, body, options);
    this.onCall(name, body.length);
  }

  async get(name: string, range?: ByteRange, options?: CallOptions): Promise<Buffer> {
    const bytes = await this.inner.get(name, range, options);
    this.onCall(name, bytes.length);
    return bytes;
  }

  async stat(name: string, options?: CallOptions): Promise<BlobStat | undefined> {
    const stat = await this.inner.stat(name, options);
    this.onCall(name, 0);
    return stat;
  }

  async *list(prefix: string, options?: CallOptions): AsyncGenerator<BlobEntry> {
    for await (const entry of this.inner.list(prefix, options)) {
      this.onCall(entry.name, 0);
      yield entry;
    }
  }

  async remove(name: string, options?: CallOptions): Promise<void> {
    await this.inner.remove(name, options);
    this.onCall(name, 0);
  }
}
