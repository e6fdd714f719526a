import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { RahatError } from '@rahat/contracts';
import type { SessionJobs } from '../threads/session-jobs.js';
import { compressionOptions, regionOf, TAG_BYTES, unsealFrame, type Speed } from '../threads/jobs.js';

const MIB = 1024 * 1024;
export const FRAME_BYTES: Record<Speed, number> = { fast: MIB, default: MIB, small: 4 * MIB };
export const MAX_FRAME_BYTES = 4 * MIB;
/** Below this gain the frame is stored raw, which spares the reader the work. */
const MIN_GAIN = 0.03;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** What is so small is done sooner than handed to another thread. */
const SYNCHRONOUS_BYTES = 8192;

/**
 * The frame's body: compressed, or `plaintext` itself when that gains too little. With `jobs`, the plaintext must stand in shared
 * memory, and its own place may be the body's.
 */
export async function compressFrame(plaintext: Buffer, speed: Speed, jobs?: SessionJobs): Promise<Buffer> {
  const maxLength = Math.floor(plaintext.length * (1 - MIN_GAIN));
  if (jobs?.worthThreads()) {
    const length = await jobs.run({ type: 'compress', bytes: regionOf(plaintext), speed, maxLength });
    return plaintext.subarray(0, length);
  }
  const options = compressionOptions(speed, plaintext.length);
  const compressed = plaintext.length <= SYNCHRONOUS_BYTES ? zstdCompressSync(plaintext, options) : await compress(plaintext, options);
  return compressed.length <= maxLength ? compressed : plaintext;
}

export interface FrameIdentity {
  repositoryId: Buffer;
  pack: string;
  frameNumber: number;
  plainLength: number;
}

/** Authenticates first; nothing of a frame whose tag is wrong gets out. */
export async function openFrame(packKey: Buffer, sealed: Buffer, frame: FrameIdentity): Promise<Buffer> {
  if (sealed.length < TAG_BYTES) throw damagedFrame(frame, 'it is too short');
  let body: Buffer;
  try {
    body = unsealFrame(packKey, frame.repositoryId, frame.frameNumber, sealed);
  } catch (error) {
    throw damagedFrame(frame, 'its bytes were changed', error);
  }
  // A frame is compressed exactly when that made it shorter, so lengths alone tell the two apart.
  if (body.length === frame.plainLength) return body;
  const options = { chunkSize: Math.max(frame.plainLength + 64, 64), maxOutputLength: MAX_FRAME_BYTES };
  const plaintext = frame.plainLength <= SYNCHRONOUS_BYTES ? zstdDecompressSync(body, options) : await decompress(body, options);
  if (plaintext.length !== frame.plainLength) throw damagedFrame(frame, 'it has another length than its pack says');
  return plaintext;
}

function damagedFrame(frame: FrameIdentity, why: string, cause?: unknown): RahatError {
  return new RahatError('repository_damaged', `Frame ${frame.frameNumber} of pack ${frame.pack} is damaged: ${why}.`, { cause });
}
