import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey, type Hash, type KeyObject } from 'node:crypto';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync, type ZstdOptions } from 'node:zlib';

// The engine's heavy work as functions of shared memory. This file is also what its threads run, so it imports nothing but
// Node's own modules and has only syntax that Node strips by itself: a thread that tests start runs this very source.

/** Bytes of a region of memory that threads share. */
export interface SharedRegion {
  memory: ArrayBufferLike;
  offset: number;
  length: number;
}

/** Chunk ids of a run of chunks of one stream, which also go into the stream's own hash. */
export interface DigestJob {
  type: 'digest';
  stream: number;
  bytes: SharedRegion;
  /** One after the other from the region's start. */
  lengths: number[];
  idKey: Uint8Array;
}

/** Gives the SHA-256 of all that a stream's digests saw, and forgets the stream. */
export interface EndDigestJob {
  type: 'endDigest';
  stream: number;
}

/** Setting `speed` of a writing session (repository.md §5). */
export type Speed = 'fast' | 'default' | 'small';

/** Compresses a frame where it stands. */
export interface CompressJob {
  type: 'compress';
  bytes: SharedRegion;
  speed: Speed;
  /** A compressed frame that is longer stays raw. */
  maxLength: number;
}

/** Seals the frames of a pack where they stand, each followed by room for its tag, and hashes the whole file. */
export interface SealPackJob {
  type: 'sealPack';
  file: SharedRegion;
  key: Uint8Array;
  repositoryId: Uint8Array;
  frameOffsets: Uint32Array;
  /** With the tag. */
  storedLengths: Uint32Array;
}

export type Job = DigestJob | EndDigestJob | CompressJob | SealPackJob;

export interface JobResults {
  /** 32 bytes for each chunk. */
  digest: Uint8Array;
  /** Hex. */
  endDigest: string;
  /** Length of the frame's body: the region's own where it stayed raw. */
  compress: number;
  /** Hex SHA-256 of the file. */
  sealPack: string;
}

export type JobResult<J extends Job> = JobResults[J['type']];

export const TAG_BYTES = 16;
const ID_BYTES = 32;

/** Runs jobs one at a time; keeps the hashes of streams that have not ended. */
export class JobRunner {
  private readonly wholes = new Map<number, Hash>();
  private readonly idKeys = new Map<string, KeyObject>();

  run(job: Job): JobResults[Job['type']] {
    switch (job.type) {
      case 'digest':
        return this.digest(job);
      case 'endDigest':
        return this.endDigest(job);
      case 'compress':
        return compress(job);
      case 'sealPack':
        return sealPack(job);
    }
  }

  private digest({ stream, bytes, lengths, idKey }: DigestJob): Uint8Array {
    const key = this.preparedKey(idKey);
    const region = view(bytes);
    const ids = new Uint8Array(lengths.length * ID_BYTES);
    let at = 0;
    lengths.forEach((length, i) => {
      const chunk = region.subarray(at, at + length);
      ids.set(createHmac('sha256', key).update(chunk).digest(), i * ID_BYTES);
      at += length;
    });
    let whole = this.wholes.get(stream);
    if (!whole) this.wholes.set(stream, (whole = createHash('sha256')));
    whole.update(region);
    return ids;
  }

  private endDigest({ stream }: EndDigestJob): string {
    const whole = this.wholes.get(stream) ?? createHash('sha256');
    this.wholes.delete(stream);
    return whole.digest('hex');
  }

  /** Prepared once: from bytes it would be made anew for each chunk. */
  private preparedKey(bytes: Uint8Array): KeyObject {
    const name = Buffer.from(bytes).toString('hex');
    let key = this.idKeys.get(name);
    if (!key) this.idKeys.set(name, (key = createSecretKey(bytes)));
    return key;
  }
}

function compress({ bytes, speed, maxLength }: CompressJob): number {
  const region = view(bytes);
  const compressed = zstdCompressSync(region, compressionOptions(speed, region.length));
  const { length } = compressed;
  const gains = length <= maxLength;
  if (gains) region.set(compressed);
  release(compressed);
  return gains ? length : region.length;
}

const LEVELS: Record<Speed, number> = { fast: 1, default: 3, small: 9 };
/** zstd's own border between its settings for small and for large inputs. */
const LARGE_INPUT_BYTES = 256 * 1024;

export function compressionOptions(speed: Speed, length: number): ZstdOptions {
  const params = { [constants.ZSTD_c_compressionLevel]: LEVELS[speed] };
  // Level 3 looks for matches of 5 bytes. With 6, rows compress a seventh faster and grow by 0.1 %.
  if (speed === 'default' && length > LARGE_INPUT_BYTES) params[constants.ZSTD_c_minMatch] = 6;
  // zstd's bound (ZSTD_COMPRESSBOUND): with room for the worst case it writes right there, a fifth faster than through its own buffer.
  return { chunkSize: length + (length >> 8) + 1024, params };
}

function sealPack({ file, key, repositoryId, frameOffsets, storedLengths }: SealPackJob): string {
  const bytes = view(file);
  frameOffsets.forEach((start, number) => {
    const body = bytes.subarray(start, start + storedLengths[number]! - TAG_BYTES);
    const { sealed, tag } = sealFrame(key, repositoryId, number, body);
    body.set(sealed);
    release(sealed);
    bytes.set(tag, start + body.length);
  });
  return createHash('sha256').update(bytes).digest('hex');
}

/** Gives the memory of a buffer that nobody else knows back at once: a thread makes so few objects that it would seldom collect. */
export function release({ buffer }: Buffer): void {
  // Smaller ones may lie in Node's pool together with others, and can't be taken out of it.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}

/** docs/REPOSITORY_FORMAT.md §7, "Frame". */
export function sealFrame(key: Uint8Array, repositoryId: Uint8Array, number: number, body: Uint8Array): { sealed: Buffer; tag: Buffer } {
  const cipher = createCipheriv('aes-256-gcm', key, frameNonce(number));
  cipher.setAAD(frameData(repositoryId, number));
  const sealed = cipher.update(body);
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

/** The body of a sealed frame; throws where a bit of it was changed. */
export function unsealFrame(key: Uint8Array, repositoryId: Uint8Array, number: number, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, frameNonce(number), { authTagLength: TAG_BYTES });
  decipher.setAAD(frameData(repositoryId, number));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const body = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  decipher.final();
  return body;
}

function frameNonce(number: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(number, 8);
  return bytes;
}

function frameData(repositoryId: Uint8Array, number: number): Buffer {
  const bytes = Buffer.alloc(repositoryId.length + 4);
  bytes.set(repositoryId);
  bytes.writeUInt32BE(number, repositoryId.length);
  return bytes;
}

/** Of a buffer in shared memory. */
export function regionOf(bytes: Uint8Array): SharedRegion {
  return { memory: bytes.buffer, offset: bytes.byteOffset, length: bytes.length };
}

function view({ memory, offset, length }: SharedRegion): Buffer {
  return Buffer.from(memory as ArrayBuffer, offset, length);
}

export interface JobMessage {
  id: number;
  job: Job;
}

export type JobAnswer = { id: number; result: JobResults[Job['type']] } | { id: number; error: Error };

/** Marks the threads of the pool, so that this file does nothing when another thread imports it. */
export const THREAD_ROLE = 'rahat-repository-jobs';

if (!isMainThread && parentPort && workerData === THREAD_ROLE) {
  const port = parentPort;
  const runner = new JobRunner();
  port.on('message', ({ id, job }: JobMessage) => {
    let answer: JobAnswer;
    try {
      answer = { id, result: runner.run(job) };
    } catch (error) {
      answer = { id, error: error instanceof Error ? error : new Error(String(error)) };
    }
    port.postMessage(answer);
  });
}
