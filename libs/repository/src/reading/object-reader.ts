import { createHash } from 'node:crypto';
import type { ByteRange } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { ObjectChunk, ObjectPiece } from '../repository.js';
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

  /** Ascending, apart from each other. A part can't be compared with the whole object's hash, so each of its chunks is with its id. */
  spans(spans: readonly ByteRange[]): AsyncGenerator<ObjectPiece> {
    return this.told(this.piecesOf(spans.filter(({ length }) => length !== 0)));
  }

  chunkList(): AsyncGenerator<ObjectChunk> {
    return this.told(this.namedChunks());
  }

  private async *namedChunks(): AsyncGenerator<ObjectChunk> {
    for await (const { id, length } of this.chunks()) yield { id: id.toString('hex'), length };
  }

  private async *batchesOfWhole(): AsyncGenerator<Buffer[]> {
    const { verifyChunks, signal } = this.options;
    const verifyWith = verifyChunks ? this.frames.context.keys.chunkId : undefined;
    this.frames.opener.expect(this.object.sizeBytes);
    for await (const batch of readBatches(this.frames, this.chunks(), { verifyWith, signal })) yield batch.map(({ bytes }) => bytes);
  }

  private async *piecesOf(spans: readonly ByteRange[]): AsyncGenerator<ObjectPiece> {
    let wanted = 0;
    let end = 0;
    for (const { offset, length } of spans) {
      if (offset < end || length < 0 || offset + length > this.object.sizeBytes) {
        throw new RahatError('invalid_input', `The range ${offset}+${length} lies outside of the object's ${this.object.sizeBytes} bytes.`);
      }
      wanted += length;
      end = offset + length;
    }
    if (wanted === 0) return;
    this.frames.opener.expect(wanted);
    const places: ChunkSpans[] = [];
    const verifyWith = this.frames.context.keys.chunkId;
    let delivered = 0;
    for await (const chunk of readChunks(this.frames, overlapping(this.chunks(), spans, places), { ...this.options, verifyWith })) {
      const { start, parts } = places.shift()!;
      for (const { offset, length } of parts) {
        const from = Math.max(offset - start, 0);
        const bytes = chunk.subarray(from, Math.min(offset + length - start, chunk.length));
        delivered += bytes.length;
        yield { offset: start + from, bytes };
      }
    }
    if (delivered !== wanted) throw new RahatError('repository_damaged', 'its recipe is shorter than its manifest says');
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

/** Where a chunk begins in the object, and the spans that have bytes in it. */
interface ChunkSpans {
  start: number;
  parts: ByteRange[];
}

/** Chunks that have bytes in the spans; `places` gets what is wanted of each. */
async function* overlapping(
  chunks: AsyncIterable<ChunkReference>,
  spans: readonly ByteRange[],
  places: ChunkSpans[],
): AsyncGenerator<ChunkReference> {
  let start = 0;
  let next = 0;
  for await (const chunk of chunks) {
    const end = start + chunk.length;
    const parts: ByteRange[] = [];
    for (let span; (span = spans[next]) && span.offset < end; next++) {
      parts.push(span);
      if (span.offset + span.length > end) break;
    }
    if (parts.length > 0) {
      places.push({ start, parts });
      yield chunk;
    }
    if (next >= spans.length) return;
    start = end;
  }
}
