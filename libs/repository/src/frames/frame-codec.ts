import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync } from 'node:zlib';
import { RahatError } from '@rahat/contracts';
import { compressionOptions, regionOf, type PlainFrame, type FrameFault, type Speed } from '../threads/jobs.js';
import { JOBS_HERE, type SessionJobs } from '../threads/session-jobs.js';

const MIB = 1024 * 1024;
export const FRAME_BYTES: Record<Speed, number> = { fast: MIB, default: MIB, small: 4 * MIB };
/** Below this gain the frame is stored raw, which spares the reader the work. */
const MIN_GAIN = 0.03;

const compress = promisify(zstdCompress);

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

/** In the caller's own thread. */
export async function openFrame(key: Buffer, sealed: Buffer, frame: FrameIdentity): Promise<Buffer> {
  const { repositoryId, frameNumber: number, plainLength } = frame;
  return soundFrame(await JOBS_HERE.run({ type: 'openFrame', sealed, key, repositoryId, number, plainLength }), frame).plaintext;
}

/** What a job gave of a frame; its fault becomes an error that tells which frame it is. */
export function soundFrame(opened: PlainFrame | FrameFault, { pack, frameNumber }: FrameIdentity): { plaintext: Buffer; ids: Buffer } {
  if ('fault' in opened) throw new RahatError('repository_damaged', `Frame ${frameNumber} of pack ${pack} is damaged: ${opened.fault}.`);
  return { plaintext: bytesOf(opened.plaintext), ids: bytesOf(opened.ids) };
}

function bytesOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
}
