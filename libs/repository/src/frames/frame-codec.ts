import { createCipheriv, createDecipheriv } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { RahatError } from '@rahat/contracts';
import { TAG_BYTES } from '../sealed-files/sealed-file.js';

/** Setting `speed` of a writing session (repository.md §5). */
export type Speed = 'fast' | 'default' | 'small';
const LEVELS: Record<Speed, number> = { fast: 1, default: 3, small: 9 };
const MIB = 1024 * 1024;
export const FRAME_BYTES: Record<Speed, number> = { fast: MIB, default: MIB, small: 4 * MIB };
export const MAX_FRAME_BYTES = 4 * MIB;
/** Below this gain the frame is stored raw, which spares the reader the work. */
const MIN_GAIN = 0.03;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Compressed on the thread pool, or `plaintext` itself when that gains too little. */
export async function compressFrame(plaintext: Buffer, speed: Speed): Promise<Buffer> {
  const compressed = await compress(plaintext, {
    // Room for what halves: mostly one trip to the thread pool instead of one per 16 KiB, and little memory to collect.
    chunkSize: Math.max((plaintext.length >> 1) + 1024, 4096),
    params: { [constants.ZSTD_c_compressionLevel]: LEVELS[speed] },
  });
  return compressed.length <= plaintext.length * (1 - MIN_GAIN) ? compressed : plaintext;
}

export function sealFrame(packKey: Buffer, repositoryId: Buffer, frameNumber: number, body: Buffer): Buffer[] {
  const cipher = createCipheriv('aes-256-gcm', packKey, nonce(frameNumber));
  cipher.setAAD(associatedData(repositoryId, frameNumber));
  return [cipher.update(body), cipher.final(), cipher.getAuthTag()];
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
  const decipher = createDecipheriv('aes-256-gcm', packKey, nonce(frame.frameNumber), { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(frame.repositoryId, frame.frameNumber));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const body = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch (error) {
    throw damagedFrame(frame, 'its bytes were changed', error);
  }
  // A frame is compressed exactly when that made it shorter, so lengths alone tell the two apart.
  if (body.length === frame.plainLength) return body;
  const plaintext = await decompress(body, { chunkSize: Math.max(frame.plainLength + 64, 64), maxOutputLength: MAX_FRAME_BYTES });
  if (plaintext.length !== frame.plainLength) throw damagedFrame(frame, 'it has another length than its pack says');
  return plaintext;
}

function damagedFrame(frame: FrameIdentity, why: string, cause?: unknown): RahatError {
  return new RahatError('repository_damaged', `Frame ${frame.frameNumber} of pack ${frame.pack} is damaged: ${why}.`, { cause });
}

function nonce(frameNumber: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(frameNumber, 8);
  return bytes;
}

function associatedData(repositoryId: Buffer, frameNumber: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(frameNumber);
  return Buffer.concat([repositoryId, number]);
}
