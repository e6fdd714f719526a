import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey, type Hash, type KeyObject } from 'node:crypto';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from 'node:zlib';

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

/** Opens a frame. Its sealed bytes are handed over: they are gone afterwards. */
export interface OpenFrameJob {
  type: 'openFrame';
  sealed: Uint8Array;
  key: Uint8Array;
  repositoryId: Uint8Array;
  number: number;
  plainLength: number;
  /** Chunks whose ids are wanted: offset and length of each in turn. */
  chunks?: { places: Uint32Array; idKey: Uint8Array };
}

export type Job = DigestJob | EndDigestJob | CompressJob | SealPackJob | OpenFrameJob;

export interface JobResults {
  /** 32 bytes for each chunk. */
  digest: Uint8Array;
  /** Hex. */
  endDigest: string;
  /** Length of the frame's body: the region's own where it stayed raw. */
  compress: number;
  /** Hex SHA-256 of the file. */
  sealPack: string;
  openFrame: PlainFrame | FrameFault;
}

/** A frame's plaintext in memory of its own, and the ids that were asked for, 32 bytes each. */
export interface PlainFrame {
  plaintext: Uint8Array;
  ids: Uint8Array;
}

/** Why a frame doesn't open, to go on after "it is damaged: ". Nothing of it is given out. */
export interface FrameFault {
  fault: string;
}

export type JobResult<J extends Job> = JobResults[J['type']];

export const TAG_BYTES = 16;
const ID_BYTES = 32;
/** docs/REPOSITORY_FORMAT.md §7, "Frame". */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
/** With this much room behind the plaintext zstd is done in one go; with none Node would allocate once more. */
const DECOMPRESSION_ROOM = 64;

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
      case 'openFrame':
        return this.openFrame(job);
    }
  }

  private openFrame(job: OpenFrameJob): PlainFrame | FrameFault {
    const plaintext = decodeFrame(job);
    if ('fault' in plaintext) return plaintext;
    if (!job.chunks) return { plaintext, ids: new Uint8Array() };
    const chunks: Uint8Array[] = [];
    const { places, idKey } = job.chunks;
    for (let i = 0; i < places.length; i += 2) chunks.push(plaintext.subarray(places[i]!, places[i]! + places[i + 1]!));
    return { plaintext, ids: this.idsOf(chunks, idKey) };
  }

  private digest({ stream, bytes, lengths, idKey }: DigestJob): Uint8Array {
    const region = view(bytes);
    let at = 0;
    const ids = this.idsOf(
      lengths.map((length) => region.subarray(at, (at += length))),
      idKey,
    );
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

  private idsOf(chunks: Uint8Array[], idKey: Uint8Array): Uint8Array {
    const key = this.preparedKey(idKey);
    const ids = new Uint8Array(chunks.length * ID_BYTES);
    chunks.forEach((chunk, i) => ids.set(createHmac('sha256', key).update(chunk).digest(), i * ID_BYTES));
    return ids;
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
  if (speed === 'default' && length > LARGE_INPUT_BYTES) {
    // Level 3 looks for matches of 5 bytes. With 6, rows compress a seventh faster and grow by 0.1 %.
    params[constants.ZSTD_c_minMatch] = 6;
    // Its tables of 768 KiB don't stay in a core's cache beside the frame. With 384 KiB, rows and pages compress an eighth faster and
    // grow by 1.5 %.
    params[constants.ZSTD_c_hashLog] = 16;
    params[constants.ZSTD_c_chainLog] = 15;
  }
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

/** Authenticates first; nothing of a frame whose tag is wrong gets out. */
function decodeFrame({ key, repositoryId, number, sealed, plainLength }: OpenFrameJob): Buffer | FrameFault {
  if (sealed.length < TAG_BYTES) return { fault: 'it is too short' };
  // The index is what a writer said; it must not make a reader allocate without bounds.
  if (plainLength > MAX_FRAME_BYTES) return { fault: 'its pack says that it is larger than frames may be' };
  let body: Buffer;
  try {
    body = unsealFrame(key, repositoryId, number, sealed);
  } catch {
    return { fault: 'its bytes were changed' };
  }
  // A frame is compressed exactly when that made it shorter, so lengths alone tell the two apart.
  if (body.length === plainLength) return body;
  try {
    const plaintext = zstdDecompressSync(body, { chunkSize: plainLength + DECOMPRESSION_ROOM, maxOutputLength: MAX_FRAME_BYTES });
    return plaintext.length === plainLength ? plaintext : { fault: 'it has another length than its pack says' };
  } catch (error) {
    return { fault: `it does not decompress (${(error as Error).message})` };
  } finally {
    release(body);
  }
}

/** Gives the memory of a buffer that nobody else knows back at once: a thread makes so few objects that it would seldom collect. */
export function release({ buffer }: Buffer): void {
  // Smaller ones may lie in Node's pool together with others, and can't be taken out of it.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}

/** docs/REPOSITORY_FORMAT.md §7, "Frame". */
export function sealFrame(key: Uint8Array, repositoryId: Uint8Array, number: number, body: Uint8Array): { sealed: Buffer; tag: Buffer } {
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), frameNonce(number));
  cipher.setAAD(frameData(repositoryId, number));
  const sealed = cipher.update(body);
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

/** The body of a sealed frame; throws where a bit of it was changed. */
export function unsealFrame(key: Uint8Array, repositoryId: Uint8Array, number: number, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), frameNonce(number), { authTagLength: TAG_BYTES });
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

/** Memory that goes over to the other thread with a job or its result, instead of being copied; Node's pool of small buffers can't. */
export function handedOver(message: Job | JobResults[Job['type']]): ArrayBuffer[] {
  if (typeof message !== 'object') return [];
  if ('sealed' in message) return [message.sealed.buffer as ArrayBuffer];
  return 'plaintext' in message && message.plaintext.buffer.byteLength > Buffer.poolSize ? [message.plaintext.buffer as ArrayBuffer] : [];
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
    for (const memory of handedOver(job)) memory.transfer(0);
    port.postMessage(answer, 'result' in answer ? handedOver(answer.result) : []);
  });
}
