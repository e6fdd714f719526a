import type { BlobEntry, BlobStat, BlobStore, ByteRange, PutOptions } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';

/** Blob store in memory whose files, clock and faults a test holds in its hands. */
export class MemoryStore implements BlobStore {
  readonly capabilities = {
    conditionalPut: true,
    listLagMs: 0,
    serverTime: true,
    objectLock: false,
    rangedRead: true,
    maxObjectSizeBytes: 2 ** 40,
    putsAtOnce: 1,
  };
  readonly description = 'memory';
  readonly files = new Map<string, { bytes: Buffer; modifiedAt: Date }>();
  calls: string[] = [];
  /** Called before each operation; throws to make it fail. */
  onCall: (operation: string, name: string) => void | Promise<void> = () => undefined;
  now: () => Date = () => new Date();
  /** Where `capabilities.objectLock` is set. */
  readonly lockedUntil = new Map<string, Date>();

  async put(name: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    await this.called('put', name);
    if (options.ifAbsent && this.files.has(name)) throw new RahatError('blob_exists', `${name} exists`);
    this.files.set(name, { bytes: Buffer.from(body), modifiedAt: this.now() });
  }

  async get(name: string, range?: ByteRange): Promise<Buffer> {
    await this.called('get', name);
    const { bytes } = this.files.get(name) ?? missing(name);
    if (!range) return Buffer.from(bytes);
    if (range.offset + range.length > bytes.length) throw new RahatError('repository_damaged', `${name} is shorter than expected`);
    return Buffer.from(bytes.subarray(range.offset, range.offset + range.length));
  }

  async stat(name: string): Promise<BlobStat | undefined> {
    await this.called('stat', name);
    const file = this.files.get(name);
    const lockedUntil = this.lockedUntil.get(name);
    return file && { sizeBytes: file.bytes.length, modifiedAt: file.modifiedAt, ...(lockedUntil ? { lockedUntil } : {}) };
  }

  async *list(prefix: string): AsyncGenerator<BlobEntry> {
    await this.called('list', prefix);
    for (const name of [...this.files.keys()].filter((name) => name.startsWith(prefix)).sort()) {
      const file = this.files.get(name);
      if (file) yield { name, sizeBytes: file.bytes.length, modifiedAt: file.modifiedAt };
    }
  }

  async remove(name: string): Promise<void> {
    await this.called('remove', name);
    const until = this.lockedUntil.get(name);
    if (until && until > this.now()) throw new RahatError('storage_locked', `${name} is locked until ${until.toISOString()}`);
    this.files.delete(name);
    this.lockedUntil.delete(name);
  }

  async extendLock(name: string, until: Date): Promise<void> {
    await this.called('lock', name);
    if (!this.files.has(name)) missing(name);
    const standing = this.lockedUntil.get(name);
    if (standing === undefined || standing < until) this.lockedUntil.set(name, until);
  }

  names(prefix: string): string[] {
    return [...this.files.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  private async called(operation: string, name: string): Promise<void> {
    this.calls.push(`${operation} ${name}`);
    await this.onCall(operation, name);
  }
}

function missing(name: string): never {
  throw new RahatError('blob_not_found', `${name} is missing`);
}
