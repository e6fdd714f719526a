import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { Lease } from '../leases/lease.js';

const AT_ONCE = 8;

/** Files and until when they shall stay; counts what that costs. Without a lease only counts. */
export class FileLocks {
  readonly held = { files: 0, bytes: 0 };
  readonly extended = { files: 0, bytes: 0 };

  constructor(
    private readonly context: RepositoryContext,
    private readonly lease: Lease | undefined,
    private readonly options: { signal?: AbortSignal },
  ) {}

  /** Gives the names of those that aren't there. */
  async hold(files: { name: string; until: Date }[]): Promise<string[]> {
    const vanished: string[] = [];
    for (let at = 0; at < files.length; at += AT_ONCE) {
      throwIfCancelled(this.options.signal);
      this.lease?.assertHeld();
      const some = files.slice(at, at + AT_ONCE);
      const present = await Promise.all(some.map(({ name, until }) => this.holdOne(name, until)));
      vanished.push(...some.flatMap(({ name }, i) => (present[i] ? [] : [name])));
    }
    return vanished;
  }

  private async holdOne(name: string, until: Date): Promise<boolean> {
    const { store } = this.context;
    const { signal } = this.options;
    try {
      const stat = await store.stat(name, { signal });
      if (!stat) return false;
      const tooShort = stat.lockedUntil === undefined || stat.lockedUntil < until;
      if (tooShort && this.lease) await store.extendLock!(name, until, { signal });
      for (const amount of tooShort ? [this.held, this.extended] : [this.held]) {
        amount.files++;
        amount.bytes += stat.sizeBytes;
      }
      return true;
    } catch (error) {
      if (error instanceof RahatError && error.code === 'blob_not_found') return false;
      throw error;
    }
  }
}
