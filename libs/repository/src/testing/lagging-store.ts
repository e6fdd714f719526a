import type { BlobEntry } from '@rahat/blob-store-port';
import type { Clock } from '../context.js';
import { MemoryStore } from './memory-store.js';

/** What is moved is listed in its new place once somebody has waited for that, and in its old one no more at once. */
export class LaggingStore extends MemoryStore {
  override readonly capabilities = { ...new MemoryStore().capabilities, listLagMs: 60_000 };
  private readonly unlisted = new Set<string>();
  readonly clock: Clock = {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    after: (_ms, task) => {
      this.unlisted.clear();
      queueMicrotask(task);
      return () => undefined;
    },
  };

  async move(from: string, to: string): Promise<void> {
    this.unlisted.add(to);
    await this.put(to, Buffer.from('manifest'));
    await this.remove(from);
  }

  override async *list(prefix: string): AsyncGenerator<BlobEntry> {
    for await (const entry of super.list(prefix)) if (!this.unlisted.has(entry.name)) yield entry;
  }
}
