import { createHash } from 'node:crypto';
import type { ByteRange } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, type ChunkReference } from '../snapshots/recipes.js';
import { readBatches, readChunks } from './chunk-reader.js';
import type { FrameSource } from './frame-source.js';
import { recipeReader } from './recipe-reader.js';

export interface ObjectReadOptions {
  verifyChunks: boolean;
  signal: AbortSignal | undefined;
}

/** One reading of one object; its errors tell which. What it gives is lent until more is asked for. */
export class ObjectReader {
  private readonly whole = createHash('sha256');
  private digestedBytes = 0;

  constructor(
    private readonly frames: FrameSource,
    private readonly object: StoredObject,
    private readonly options: ObjectReadOptions,
  ) {}

  /** All bytes in order. They are the object's only when all of them went into `digest`, and `assertWhole` agreed. */
  batches(): AsyncGenerator<Buffer[]> {
    return this.told(this.batchesOfWhole());
  }

  digest(bytes: Buffer): void {
    this.whole.update(bytes);
    this.digestedBytes += bytes.length;
  }

  assertWhole(): void {
    const { sizeBytes, sha256 } = this.object;
    if (this.digestedBytes === sizeBytes && this.whole.digest('hex') === sha256) return;
    throw this.aboutObject(
      new RahatError('repository_damaged', 'its bytes differ from those that were backed up (SHA-256 of the whole object)'),
    );
  }

  /** A part can't be compared with the whole object's hash, so each of its chunks is compared with its id. */
  range(range: ByteRange): AsyncGenerator<Buffer> {
    return this.told(this.piecesOfRange(range));
  }

  private async *batchesOfWhole(): AsyncGenerator<Buffer[]> {
    const { verifyChunks, signal } = this.options;
    const verifyWith = verifyChunks ? this.frames.context.keys.chunkId : undefined;
    this.frames.opener.expect(this.object.sizeBytes);
    for await (const batch of readBatches(this.frames, this.chunks(), { verifyWith, signal })) yield batch.map(({ bytes }) => bytes);
  }

  private async *piecesOfRange({ offset, length }: ByteRange): AsyncGenerator<Buffer> {
    const { sizeBytes } = this.object;
    if (offset < 0 || length < 0 || offset + length > sizeBytes) {
      throw new RahatError('invalid_input', `The range ${offset}+${length} lies outside of the object's ${sizeBytes} bytes.`);
    }
    if (length === 0) return;
    this.frames.opener.expect(length);
    const end = offset + length;
    const starts: number[] = [];
    const verifyWith = this.frames.context.keys.chunkId;
    let delivered = 0;
    for await (const chunk of readChunks(this.frames, overlapping(this.chunks(), offset, end, starts), { ...this.options, verifyWith })) {
      const start = starts.shift()!;
      const part = chunk.subarray(Math.max(offset - start, 0), Math.min(end - start, chunk.length));
      delivered += part.length;
      yield part;
    }
    if (delivered !== length) throw new RahatError('repository_damaged', 'its recipe is shorter than its manifest says');
  }

  private chunks(): AsyncGenerator<ChunkReference> {
    return recipeChunks(this.object.recipe, recipeReader(this.frames, this.options.signal));
  }

  private async *told<T>(bytes: AsyncGenerator<T>): AsyncGenerator<T> {
    throwIfCancelled(this.options.signal);
    try {
      yield* bytes;
    } catch (error) {
      throwIfCancelled(this.options.signal);
      throw this.aboutObject(error);
    }
  }

  private aboutObject(error: unknown): RahatError {
    const cause = RahatError.from(error);
    const message = `Object ${JSON.stringify(this.object.key)} cannot be read: ${cause.message}`;
    return new RahatError(cause.code, message, { cause, hint: cause.hint, retryable: cause.retryable });
  }
}

/** Chunks that have bytes from `offset` to `end`; `starts` gets their places in the object. */
async function* overlapping(
  chunks: AsyncIterable<ChunkReference>,
  offset: number,
  end: number,
  starts: number[],
): AsyncGenerator<ChunkReference> {
  let position = 0;
  for await (const chunk of chunks) {
    const start = position;
    position += chunk.length;
    if (position <= offset) continue;
    starts.push(start);
    yield chunk;
    if (position >= end) return;
  }
}
