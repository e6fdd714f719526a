import { RahatError } from '@rahat/contracts';
import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from './blob-store.js';
import { RETRY_POLICY, withRetries, type RetryPolicy } from './retries.js';

/** A deadline for each single entry would cost more than the listing. */
const ENTRIES_AT_ONCE = 256;

/**
 * Any store, with calls repeated while their trouble may pass. All calls of the port can be repeated: reads change nothing, a
 * put repeats the same bytes, a removal or a lock that happened happens again. What needs care is a conditional put whose answer
 * was lost, and a listing that broke off in its middle.
 */
export class RetryingStore implements BlobStore {
  constructor(
    private readonly store: BlobStore,
    private readonly policy: RetryPolicy = RETRY_POLICY,
  ) {}

  get capabilities(): BlobStore['capabilities'] {
    return this.store.capabilities;
  }

  get description(): string {
    return this.store.description;
  }

  async put(name: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    await withRetries(this.policy, options.signal, async (signal, failures) => {
      try {
        await this.store.put(name, body, { ...options, signal });
      } catch (error) {
        const mayBeOurs = failures > 0 && error instanceof RahatError && error.code === 'blob_exists';
        // An earlier try may have landed although its answer was lost. Only equal bytes are a success.
        if (!mayBeOurs || !(await this.holds(name, body, signal))) throw error;
      }
    });
  }

  get(name: string, range?: ByteRange, options: CallOptions = {}): Promise<Buffer> {
    return withRetries(this.policy, options.signal, (signal) => this.store.get(name, range, { ...options, signal }));
  }

  stat(name: string, options: CallOptions = {}): Promise<BlobStat | undefined> {
    return withRetries(this.policy, options.signal, (signal) => this.store.stat(name, { ...options, signal }));
  }

  remove(name: string, options: CallOptions = {}): Promise<void> {
    return withRetries(this.policy, options.signal, (signal) => this.store.remove(name, { ...options, signal }));
  }

  async extendLock(name: string, until: Date, options: CallOptions = {}): Promise<void> {
    await withRetries(this.policy, options.signal, async (signal) => {
      if (!this.store.extendLock) throw new RahatError('invalid_input', `${this.description} cannot lock files.`);
      await this.store.extendLock(name, until, { ...options, signal });
    });
  }

  /** A listing that breaks off is begun anew and goes on after the last name that was given; tries count from there. */
  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<BlobEntry> {
    let last = '';
    let listing: AsyncIterator<BlobEntry> | undefined;
    let trouble: { error: unknown } | undefined;
    try {
      for (let ended = false; !ended;) {
        const entries: BlobEntry[] = [];
        ended = await withRetries(this.policy, options.signal, async () => {
          try {
            if (trouble) throw trouble.error;
            listing ??= this.store.list(prefix, options)[Symbol.asyncIterator]();
            while (entries.length < ENTRIES_AT_ONCE) {
              const next = await nextAfter(last, listing);
              if (next === undefined) return true;
              last = next.name;
              entries.push(next);
            }
          } catch (error) {
            listing = undefined;
            // What came before it is given first; then it counts as the first failed try for what comes next.
            trouble = entries.length > 0 ? { error } : undefined;
            if (!trouble) throw error;
          }
          return false;
        });
        yield* entries;
      }
    } finally {
      // Not awaited: a listing that hangs would hang here too.
      listing?.return?.()?.catch(() => undefined);
    }
  }

  /** The look is repeated by itself: else its own trouble would use up the tries of the put. */
  private async holds(name: string, body: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const found = await this.stat(name, { signal });
    if (found?.sizeBytes !== body.length) return false;
    try {
      return (await this.get(name, undefined, { signal })).equals(body);
    } catch (error) {
      // Removed in between: then the put that was refused may be told.
      if (error instanceof RahatError && error.code === 'blob_not_found') return false;
      throw error;
    }
  }
}

async function nextAfter(last: string, listing: AsyncIterator<BlobEntry>): Promise<BlobEntry | undefined> {
  for (;;) {
    const { value, done } = await listing.next();
    if (done) return undefined;
    if (value.name > last) return value;
  }
}
