import { RahatError } from '@rahat/contracts';
import { assertBlobName, assertBlobPrefix, throwIfAborted } from '../blob-name.js';
import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from '../blob-store.js';

export interface MemoryBlob {
  bytes: Buffer;
  modifiedAt: Date;
}

/** A store in memory that keeps the whole contract. `blobs` is open, so that a test can look, tamper and remove. */
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
  readonly blobs = new Map<string, MemoryBlob>();

  constructor(private readonly now: () => Date = () => new Date()) {}

  async put(name: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    assertBlobName(name);
    throwIfAborted(options.signal);
    if (options.ifAbsent && this.blobs.has(name)) throw new RahatError('blob_exists', `${name} exists already in memory`);
    this.blobs.set(name, { bytes: Buffer.from(body), modifiedAt: this.now() });
  }

  async get(name: string, range?: ByteRange, options: CallOptions = {}): Promise<Buffer> {
    assertBlobName(name);
    throwIfAborted(options.signal);
    const blob = this.blobs.get(name);
    if (!blob) throw new RahatError('blob_not_found', `${name} is not in memory`);
    if (!range) return Buffer.from(blob.bytes);
    if (range.offset + range.length > blob.bytes.length) {
      throw new RahatError('repository_damaged', `${name} has ${blob.bytes.length} bytes, too few for ${range.length} at ${range.offset}`);
    }
    return Buffer.from(blob.bytes.subarray(range.offset, range.offset + range.length));
  }

  async stat(name: string, options: CallOptions = {}): Promise<BlobStat | undefined> {
    assertBlobName(name);
    throwIfAborted(options.signal);
    const blob = this.blobs.get(name);
    return blob && { sizeBytes: blob.bytes.length, modifiedAt: blob.modifiedAt };
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncIterable<BlobEntry> {
    assertBlobPrefix(prefix);
    const names = [...this.blobs.keys()].filter((name) => name.startsWith(prefix)).sort();
    for (const name of names) {
      throwIfAborted(options.signal);
      const blob = this.blobs.get(name);
      if (blob) yield { name, sizeBytes: blob.bytes.length, modifiedAt: blob.modifiedAt };
    }
  }

  async remove(name: string, options: CallOptions = {}): Promise<void> {
    assertBlobName(name);
    throwIfAborted(options.signal);
    this.blobs.delete(name);
  }
}
