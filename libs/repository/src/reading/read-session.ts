import { createHash } from 'node:crypto';
import type { ByteRange } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { loadIndexForReading } from '../index/load-index.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { Lease } from '../leases/lease.js';
import type { ReadSession } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, type ChunkReference } from '../snapshots/recipes.js';
import { readChunks } from './chunk-reader.js';
import { FrameSource } from './frame-source.js';

interface ReadOptions {
  range?: ByteRange;
  verifyChunks?: boolean;
  signal?: AbortSignal;
}

export class RepositoryReadSession implements ReadSession {
  private readonly frames: FrameSource;
  private closed = false;

  private constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    private readonly lease: Lease | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.frames = new FrameSource(context, index);
  }

  static async begin(context: RepositoryContext, signal?: AbortSignal): Promise<RepositoryReadSession> {
    throwIfCancelled(signal);
    const lease = await Lease.takeForReading(context);
    try {
      return new RepositoryReadSession(context, await loadIndexForReading(context), lease, signal);
    } catch (error) {
      await lease?.release().catch(() => undefined);
      throw error;
    }
  }

  async *readObject(object: StoredObject, options: ReadOptions = {}): AsyncGenerator<Buffer> {
    const signal = anySignal(this.signal, options.signal);
    throwIfCancelled(signal);
    try {
      if (options.range) yield* this.readRange(object, options.range, signal);
      else yield* this.readWhole(object, options.verifyChunks ?? false, signal);
    } catch (error) {
      throwIfCancelled(signal);
      throw aboutObject(error, object);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.index.close();
    await this.lease?.release().catch(() => undefined);
  }

  private async *readWhole(object: StoredObject, verifyChunks: boolean, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    const whole = createHash('sha256');
    let sizeBytes = 0;
    const verifyWith = verifyChunks ? this.context.keys.chunkId : undefined;
    for await (const chunk of readChunks(this.index, this.frames, this.chunksOf(object, signal), { verifyWith, signal })) {
      whole.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
    if (sizeBytes !== object.sizeBytes || whole.digest('hex') !== object.sha256) {
      throw new RahatError('repository_damaged', 'its bytes differ from those that were backed up (SHA-256 of the whole object)');
    }
  }

  /** A part can't be compared with the whole object's hash, so each of its chunks is compared with its id. */
  private async *readRange(object: StoredObject, { offset, length }: ByteRange, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    if (offset < 0 || length < 0 || offset + length > object.sizeBytes) {
      throw new RahatError('invalid_input', `The range ${offset}+${length} lies outside of the object's ${object.sizeBytes} bytes.`);
    }
    if (length === 0) return;
    let position = 0;
    const end = offset + length;
    const touched: number[] = [];
    async function* overlapping(chunks: AsyncIterable<ChunkReference>): AsyncGenerator<ChunkReference> {
      for await (const chunk of chunks) {
        const start = position;
        position += chunk.length;
        if (position <= offset) continue;
        touched.push(start);
        yield chunk;
        if (position >= end) return;
      }
    }
    const options = { verifyWith: this.context.keys.chunkId, signal };
    let delivered = 0;
    for await (const chunk of readChunks(this.index, this.frames, overlapping(this.chunksOf(object, signal)), options)) {
      const start = touched.shift()!;
      const part = chunk.subarray(Math.max(offset - start, 0), Math.min(end - start, chunk.length));
      delivered += part.length;
      yield part;
    }
    if (delivered !== length) throw new RahatError('repository_damaged', 'its recipe is shorter than its manifest says');
  }

  /** Recipe chunks are always compared with their ids: a recipe has no hash of its own. */
  private chunksOf({ recipe }: StoredObject, signal: AbortSignal | undefined): AsyncGenerator<ChunkReference> {
    return recipeChunks(recipe, (chunks) =>
      readChunks(this.index, this.frames, chunks, { verifyWith: this.context.keys.recipeChunkId, signal }),
    );
  }
}

function anySignal(a: AbortSignal | undefined, b: AbortSignal | undefined): AbortSignal | undefined {
  return a && b ? AbortSignal.any([a, b]) : (a ?? b);
}

function aboutObject(error: unknown, object: StoredObject): RahatError {
  const cause = RahatError.from(error);
  const message = `Object ${JSON.stringify(object.key)} cannot be read: ${cause.message}`;
  return new RahatError(cause.code, message, { cause, hint: cause.hint, retryable: cause.retryable });
}
