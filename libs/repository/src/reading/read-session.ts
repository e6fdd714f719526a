import type { ByteRange } from '@rahat/blob-store-port';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { loadIndexForReading } from '../index/load-index.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { Lease } from '../leases/lease.js';
import type { ObjectChunk, ObjectPiece, ReadOptions, ReadSession, WritableFile } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { FrameSource } from './frame-source.js';
import { ObjectReader } from './object-reader.js';
import { writeFully } from './write-fully.js';

export class RepositoryReadSession implements ReadSession {
  private readonly frames: FrameSource;
  private closed = false;

  private constructor(
    context: RepositoryContext,
    private readonly index: RepositoryIndex,
    private readonly lease: Lease | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.frames = new FrameSource(context, index, lease);
  }

  static async begin(context: RepositoryContext, signal?: AbortSignal): Promise<RepositoryReadSession> {
    throwIfCancelled(signal);
    const lease = context.protocol.readersHoldLeases ? await Lease.takeForReading(context) : undefined;
    try {
      return new RepositoryReadSession(context, await loadIndexForReading(context), lease, signal);
    } catch (error) {
      await lease?.release().catch(() => undefined);
      throw error;
    }
  }

  async *readObject(object: StoredObject, { range, ...options }: ReadOptions & { range?: ByteRange } = {}): AsyncGenerator<Buffer> {
    const reader = this.readerOf(object, options);
    if (range) {
      for await (const { bytes } of reader.spans([range])) yield bytes;
      return;
    }
    for await (const pieces of reader.batches()) {
      for (const bytes of pieces) {
        reader.digest(bytes);
        yield bytes;
      }
    }
    reader.assertWhole();
  }

  objectChunks(object: StoredObject, options: ReadOptions = {}): AsyncGenerator<ObjectChunk> {
    return this.readerOf(object, options).chunkList();
  }

  readSpans(object: StoredObject, spans: readonly ByteRange[], options: ReadOptions = {}): AsyncGenerator<ObjectPiece> {
    return this.readerOf(object, options).spans(spans);
  }

  async readObjectInto(object: StoredObject, file: WritableFile, options: ReadOptions = {}): Promise<void> {
    const reader = this.readerOf(object, options);
    let position = 0;
    for await (const pieces of reader.batches()) {
      const writing = writeFully(file, pieces, position);
      // Meanwhile the bytes go into the page cache in a thread of Node's. One write at a time: two would wait for the file's lock.
      for (const bytes of pieces) reader.digest(bytes);
      position += await writing;
    }
    reader.assertWhole();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.index.close();
    await this.lease?.release().catch(() => undefined);
  }

  private readerOf(object: StoredObject, { signal, verifyChunks = false }: ReadOptions): ObjectReader {
    const either = signal && this.signal ? AbortSignal.any([signal, this.signal]) : (signal ?? this.signal);
    return new ObjectReader(this.frames, object, { verifyChunks, signal: either });
  }
}
