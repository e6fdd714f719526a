import type { BlobEntry, BlobStat, BlobStore, BlobStoreCapabilities, ByteRange, PutOptions } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { LEASES_PREFIX } from '../layout.js';
import type { Random } from './random.js';
import { MINUTE_MS, type Operation, type SimulatedMachine } from './simulated-machine.js';
import type { Timeline } from './timeline.js';

interface SimulatedFile {
  bytes: Buffer;
  modifiedAtMs: number;
  /** Since when listings show it. */
  listedFromMs: number;
  /** Names may be random; files are listed in the order in which they came, so that a seed repeats a schedule. */
  order: number;
}

/** Told of everything that happens in the storage, at the moment when it happens. */
export interface StoreObserver {
  /** `lease`: under which it was sent, if its caller had one and still waits for it. */
  stored(name: string, bytes: Buffer, lease: string | undefined): void;
  removed(name: string, lease: string | undefined): void;
}

/** The storage itself: one truth, seen by machines through calls that are late, lost, or answered by an old listing. */
export class SimulatedStorage {
  readonly files = new Map<string, SimulatedFile>();
  /** Removed files that listings still show. */
  private readonly ghosts = new Map<string, SimulatedFile & { untilMs: number }>();
  private puts = 0;
  calls = 0;
  /** Files that came, went, or got other bytes; leases aside. */
  changes = 0;

  constructor(
    readonly timeline: Timeline,
    readonly random: Random,
    readonly capabilities: BlobStoreCapabilities,
    private readonly observer: StoreObserver,
  ) {}

  put(name: string, bytes: Buffer, { ifAbsent, late, lease }: { ifAbsent: boolean; late: boolean; lease: string | undefined }): void {
    const known = this.files.get(name);
    if (ifAbsent && known) throw new RahatError('blob_exists', `${name} exists.`);
    const { nowMs } = this.timeline;
    const listedFromMs = known?.listedFromMs ?? nowMs + this.lag();
    this.files.set(name, { bytes, modifiedAtMs: nowMs, listedFromMs, order: known?.order ?? this.puts++ });
    if (!known?.bytes.equals(bytes)) this.noteChange(name);
    this.observer.stored(name, bytes, late ? undefined : lease);
  }

  remove(name: string, lease: string | undefined): void {
    const file = this.files.get(name);
    if (!file) return;
    this.files.delete(name);
    const lagMs = this.lag();
    if (lagMs > 0) this.ghosts.set(name, { ...file, untilMs: this.timeline.nowMs + lagMs });
    this.noteChange(name);
    this.observer.removed(name, lease);
  }

  get(name: string, range?: ByteRange): Buffer {
    const { bytes } = this.files.get(name) ?? missing(name);
    if (!range) return Buffer.from(bytes);
    if (range.offset + range.length > bytes.length) throw new RahatError('repository_damaged', `${name} is too short.`);
    return Buffer.from(bytes.subarray(range.offset, range.offset + range.length));
  }

  list(prefix: string): BlobEntry[] {
    const { nowMs } = this.timeline;
    const listed: [string, SimulatedFile][] = [];
    for (const entry of this.files) if (entry[0].startsWith(prefix) && entry[1].listedFromMs <= nowMs) listed.push(entry);
    for (const entry of this.ghosts) {
      if (entry[1].untilMs <= nowMs) this.ghosts.delete(entry[0]);
      else if (entry[0].startsWith(prefix) && !this.files.has(entry[0])) listed.push(entry);
    }
    listed.sort((a, b) => a[1].order - b[1].order);
    return listed.map(([name, file]) => ({ name, sizeBytes: file.bytes.length, modifiedAt: new Date(file.modifiedAtMs) }));
  }

  stat(name: string): BlobStat | undefined {
    const file = this.files.get(name);
    return file && { sizeBytes: file.bytes.length, modifiedAt: new Date(file.modifiedAtMs) };
  }

  private noteChange(name: string): void {
    if (!name.startsWith(LEASES_PREFIX)) this.changes++;
  }

  private lag(): number {
    return this.random.unit() * this.capabilities.listLagMs;
  }
}

/** The storage as one machine sees it. */
export class RemoteStore implements BlobStore {
  readonly description = 'simulation';

  constructor(
    private readonly storage: SimulatedStorage,
    private readonly machine: SimulatedMachine,
  ) {}

  get capabilities(): BlobStoreCapabilities {
    return this.storage.capabilities;
  }

  put(name: string, body: Uint8Array, { ifAbsent = false }: PutOptions = {}): Promise<void> {
    const bytes = Buffer.from(body);
    if (name.startsWith(LEASES_PREFIX)) this.machine.lease = name;
    const { lease } = this.machine;
    return this.call('put', name, (late) => this.storage.put(name, bytes, { ifAbsent, late, lease }));
  }

  get(name: string, range?: ByteRange): Promise<Buffer> {
    return this.call('get', name, () => this.storage.get(name, range));
  }

  stat(name: string): Promise<BlobStat | undefined> {
    return this.call('stat', name, () => this.storage.stat(name));
  }

  remove(name: string): Promise<void> {
    const { lease } = this.machine;
    return this.call('remove', name, () => this.storage.remove(name, lease));
  }

  async *list(prefix: string): AsyncGenerator<BlobEntry> {
    yield* await this.call('list', prefix, () => this.storage.list(prefix));
  }

  private call<T>(operation: Operation, name: string, effect: (late: boolean) => T): Promise<T> {
    const { storage, machine } = this;
    const { random, timeline } = storage;
    const { hazards } = machine;
    storage.calls++;
    const fate = random.unit();
    const slow = random.chance(hazards.slow);
    const latency = (): number => (slow ? random.between(1, MINUTE_MS) : random.between(1, 200));
    return new Promise<T>((resolve, reject) => {
      // Should it stop or die now, it does so between two operations: this one is on its way already.
      machine.called(operation, name);
      const answer = (reply: () => void): void => {
        timeline.after(latency() / 2, () => {
          machine.mayFail();
          machine.deliver(reply);
        });
      };
      const failed = (): void => answer(() => reject(new RahatError('storage_unreachable', 'The simulated storage did not answer.')));
      if (fate < hazards.fail) return failed();
      if (fate < hazards.fail + hazards.hang) {
        if (operation === 'put') timeline.after(random.between(0, hazards.landsWithinMs), () => quietly(() => effect(true)));
        return;
      }
      const loses = fate < hazards.fail + hazards.hang + hazards.loseAnswer;
      timeline.after(latency() / 2, () => {
        const before = storage.changes;
        try {
          const result = effect(false);
          machine.changes += storage.changes - before;
          if (loses) failed();
          else answer(() => resolve(result));
        } catch (error) {
          answer(() => reject(error as Error));
        }
      });
    });
  }
}

/** A late put with a condition may find its name taken; nobody waits for its answer. */
function quietly(effect: () => unknown): void {
  try {
    effect();
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
  }
}

function missing(name: string): never {
  throw new RahatError('blob_not_found', `${name} is missing.`);
}
