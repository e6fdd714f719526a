import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { SYSTEM_CLOCK, type Clock } from './context.js';

/** Listed in one step: a deadline for each single entry would cost more than the listing. */
const ENTRIES_AT_ONCE = 256;

/**
 * Gives every call of a store a deadline, also where a driver would hang (repository.md §7: TTL/8 for a put),
 * and lets nothing but RahatErrors through.
 */
export class BoundedStore implements BlobStore {
  constructor(
    private readonly store: BlobStore,
    private readonly deadlineMs: number,
    private readonly clock: Pick<Clock, 'after'> = SYSTEM_CLOCK,
  ) {}

  get capabilities(): BlobStore['capabilities'] {
    return this.store.capabilities;
  }

  get description(): string {
    return this.store.description;
  }

  put(name: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    return this.bounded(name, options.signal, (signal) => this.store.put(name, body, { ...options, signal }));
  }

  get(name: string, range?: ByteRange, options: CallOptions = {}): Promise<Buffer> {
    return this.bounded(name, options.signal, (signal) => this.store.get(name, range, { signal }));
  }

  stat(name: string, options: CallOptions = {}): Promise<BlobStat | undefined> {
    return this.bounded(name, options.signal, (signal) => this.store.stat(name, { signal }));
  }

  remove(name: string, options: CallOptions = {}): Promise<void> {
    return this.bounded(name, options.signal, (signal) => this.store.remove(name, { signal }));
  }

  extendLock(name: string, until: Date, options: CallOptions = {}): Promise<void> {
    return this.bounded(name, options.signal, async (signal) => {
      if (!this.store.extendLock) throw new RahatError('invalid_input', `${this.description} cannot lock files.`);
      await this.store.extendLock(name, until, { signal });
    });
  }

  /** The deadline holds for each step of the listing, not for the whole. */
  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<BlobEntry> {
    const entries = this.store.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (let ended = false; !ended;) {
        const some: BlobEntry[] = [];
        ended = await this.bounded(prefix, options.signal, async () => {
          while (some.length < ENTRIES_AT_ONCE) {
            const next = await entries.next();
            if (next.done) return true;
            some.push(next.value);
          }
          return false;
        });
        yield* some;
      }
    } finally {
      // Not awaited: a listing that hangs would hang here too.
      entries.return?.()?.catch(() => undefined);
    }
  }

  private async bounded<T>(name: string, signal: AbortSignal | undefined, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    throwIfCancelled(signal);
    const controller = new AbortController();
    const cancel = (): void => controller.abort();
    signal?.addEventListener('abort', cancel, { once: true });
    const ended = Promise.withResolvers<never>();
    const callOff = this.clock.after(this.deadlineMs, () => {
      ended.reject(
        new RahatError('storage_unreachable', `Storage ${this.description} did not answer for ${name} within ${this.deadlineMs / 1000} s.`),
      );
      controller.abort();
    });
    try {
      return await Promise.race([call(controller.signal), ended.promise]);
    } catch (error) {
      throwIfCancelled(signal);
      throw RahatError.from(error);
    } finally {
      callOff();
      signal?.removeEventListener('abort', cancel);
    }
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RahatError('cancelled', 'The work on the repository was cancelled.', { cause: signal.reason });
}
