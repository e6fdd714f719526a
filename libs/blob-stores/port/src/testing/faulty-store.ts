import { RahatError } from '@rahat/contracts';
import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from '../blob-store.js';

export type StoreCall = 'put' | 'get' | 'stat' | 'list' | 'remove';

/** When a fault strikes: the `nth` call (from 1, counted from the injection) that fits `on` and `name`; `always` = every one from there. */
interface Strike {
  on?: StoreCall;
  name?: RegExp;
  nth?: number;
  always?: boolean;
}

export type Fault = Strike &
  (
    | { kind: 'fail'; error?: Error }
    /** The call takes effect, its answer is lost. */
    | { kind: 'drop-answer'; error?: Error }
    /** `get` gives one byte wrong: the one at `offset`, or the middle. */
    | { kind: 'flip-byte'; offset?: number }
    /** `put` fails with `storage_full` once this many bytes were put in all. */
    | { kind: 'full-after'; bytes: number }
    /** The call answers only when its signal is aborted. */
    | { kind: 'hang' }
    /** Runs before the call, e.g. to kill something at this moment. */
    | { kind: 'run'; action: (call: StoreCall, name: string) => void | Promise<void> }
  );

/** Any store, with faults on demand. Counts its calls, so that a test can loop "fail the n-th call" over all of them. */
export class FaultyStore implements BlobStore {
  readonly log: { call: StoreCall; name: string }[] = [];
  private armed: { fault: Fault; seen: number }[] = [];
  private putBytes = 0;

  constructor(private readonly store: BlobStore) {}

  get capabilities() {
    return this.store.capabilities;
  }

  get description() {
    return this.store.description;
  }

  inject(fault: Fault): this {
    this.armed.push({ fault, seen: 0 });
    return this;
  }

  heal(): void {
    this.armed = [];
  }

  async put(name: string, body: Uint8Array, options?: PutOptions): Promise<void> {
    const faults = this.striking('put', name);
    const full = this.armed.some(({ fault }) => fault.kind === 'full-after' && this.putBytes + body.length > fault.bytes);
    if (full) throw new RahatError('storage_full', `No space left for ${name} in ${this.description}`);
    await around(faults, 'put', name, options?.signal, () => this.store.put(name, body, options));
    this.putBytes += body.length;
  }

  async get(name: string, range?: ByteRange, options?: CallOptions): Promise<Buffer> {
    const faults = this.striking('get', name);
    const bytes = await around(faults, 'get', name, options?.signal, () => this.store.get(name, range, options));
    for (const fault of faults) {
      if (fault.kind !== 'flip-byte' || bytes.length === 0) continue;
      const at = Math.min(fault.offset ?? bytes.length >> 1, bytes.length - 1);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 0x01, at);
    }
    return bytes;
  }

  async stat(name: string, options?: CallOptions): Promise<BlobStat | undefined> {
    return around(this.striking('stat', name), 'stat', name, options?.signal, () => this.store.stat(name, options));
  }

  async *list(prefix: string, options?: CallOptions): AsyncIterable<BlobEntry> {
    const faults = this.striking('list', prefix);
    const late = faults.find((fault) => fault.kind === 'drop-answer');
    await around(
      faults.filter((fault) => fault !== late),
      'list',
      prefix,
      options?.signal,
      async () => undefined,
    );
    for await (const entry of this.store.list(prefix, options)) {
      yield entry;
      // A listing whose answer is lost breaks off in the middle, as a page that never came.
      if (late) break;
    }
    if (late) throw lostAnswer('list', prefix, late);
  }

  async remove(name: string, options?: CallOptions): Promise<void> {
    return around(this.striking('remove', name), 'remove', name, options?.signal, () => this.store.remove(name, options));
  }

  private striking(call: StoreCall, name: string): Fault[] {
    this.log.push({ call, name });
    return this.armed.flatMap((entry) => {
      const { fault } = entry;
      if (fault.on && fault.on !== call) return [];
      if (fault.name && !fault.name.test(name)) return [];
      entry.seen += 1;
      const nth = fault.nth ?? 1;
      return entry.seen === nth || (fault.always && entry.seen > nth) ? [fault] : [];
    });
  }
}

async function around<T>(
  faults: Fault[],
  call: StoreCall,
  name: string,
  signal: AbortSignal | undefined,
  act: () => Promise<T>,
): Promise<T> {
  for (const fault of faults) {
    if (fault.kind === 'run') await fault.action(call, name);
    if (fault.kind === 'fail') throw fault.error ?? new RahatError('storage_unreachable', `Injected failure of ${call} ${name}`);
    if (fault.kind === 'hang') await untilAborted(signal);
  }
  const answer = await act();
  const dropped = faults.find((fault) => fault.kind === 'drop-answer');
  if (dropped) throw lostAnswer(call, name, dropped);
  return answer;
}

function lostAnswer(call: StoreCall, name: string, fault: Fault): Error {
  return (
    (fault.kind === 'drop-answer' && fault.error) || new RahatError('storage_unreachable', `Injected loss of the answer to ${call} ${name}`)
  );
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const cancelled = () => reject(new RahatError('cancelled', 'The call to the storage was cancelled', { cause: signal?.reason }));
    if (signal?.aborted) cancelled();
    signal?.addEventListener('abort', cancelled, { once: true });
  });
}
