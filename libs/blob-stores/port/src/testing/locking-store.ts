import { RahatError } from '@rahat/contracts';
import type { BlobStat, CallOptions, PutOptions } from '../blob-store.js';
import { MemoryStore } from './memory-store.js';

/** A store in memory with object lock: a locked blob is neither removed nor replaced before its time. */
export class LockingStore extends MemoryStore {
  override readonly capabilities = { ...new MemoryStore().capabilities, objectLock: true };
  readonly lockedUntil = new Map<string, Date>();

  constructor(private readonly clock: () => Date = () => new Date()) {
    super(clock);
  }

  override async put(name: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    if (!options.ifAbsent) this.assertUnlocked(name);
    await super.put(name, body, options);
    if (options.lockUntil) this.lockedUntil.set(name, options.lockUntil);
  }

  override async remove(name: string, options: CallOptions = {}): Promise<void> {
    this.assertUnlocked(name);
    await super.remove(name, options);
    this.lockedUntil.delete(name);
  }

  override async stat(name: string, options: CallOptions = {}): Promise<BlobStat | undefined> {
    const found = await super.stat(name, options);
    const lockedUntil = this.lockedUntil.get(name);
    return found && lockedUntil ? { ...found, lockedUntil } : found;
  }

  async extendLock(name: string, until: Date): Promise<void> {
    if (!this.blobs.has(name)) throw new RahatError('blob_not_found', `${name} is not in memory`);
    const standing = this.lockedUntil.get(name);
    if (standing === undefined || standing < until) this.lockedUntil.set(name, until);
  }

  private assertUnlocked(name: string): void {
    const until = this.lockedUntil.get(name);
    if (until && until > this.clock()) throw new RahatError('storage_locked', `${name} is locked until ${until.toISOString()}`);
  }
}
