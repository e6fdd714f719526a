import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from '../blob-store.js';

/**
 * Any store, whose listings lag as those of some compatibles do: a new name is listed only `lagMs` later, a removed one still so
 * long. What is asked for by its name is answered truly. `now` lets a test hold the time.
 */
export class StaleListingStore implements BlobStore {
  private readonly putAt = new Map<string, number>();
  private readonly removed = new Map<string, { entry: BlobEntry; at: number }>();

  constructor(
    private readonly store: BlobStore,
    private readonly lagMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get capabilities(): BlobStore['capabilities'] {
    return { ...this.store.capabilities, listLagMs: this.store.capabilities.listLagMs + this.lagMs };
  }

  get description(): string {
    return this.store.description;
  }

  async put(name: string, body: Uint8Array, options?: PutOptions): Promise<void> {
    const stood = await this.store.stat(name);
    await this.store.put(name, body, options);
    if (!stood) this.putAt.set(name, this.now());
    this.removed.delete(name);
  }

  get(name: string, range?: ByteRange, options?: CallOptions): Promise<Buffer> {
    return this.store.get(name, range, options);
  }

  stat(name: string, options?: CallOptions): Promise<BlobStat | undefined> {
    return this.store.stat(name, options);
  }

  async remove(name: string, options?: CallOptions): Promise<void> {
    const stood = await this.store.stat(name);
    await this.store.remove(name, options);
    if (stood && !this.isFresh(name)) this.removed.set(name, { entry: { name, ...stood }, at: this.now() });
  }

  async *list(prefix: string, options?: CallOptions): AsyncIterable<BlobEntry> {
    const ghosts = [...this.removed.values()].filter(({ entry, at }) => entry.name.startsWith(prefix) && this.now() - at < this.lagMs);
    const waiting = ghosts.map(({ entry }) => entry).sort((left, right) => (left.name < right.name ? -1 : 1));
    for await (const entry of this.store.list(prefix, options)) {
      while (waiting[0] && waiting[0].name < entry.name) yield waiting.shift()!;
      if (!this.isFresh(entry.name)) yield entry;
    }
    yield* waiting;
  }

  private isFresh(name: string): boolean {
    const at = this.putAt.get(name);
    return at !== undefined && this.now() - at < this.lagMs;
  }
}
