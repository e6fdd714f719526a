import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { measureCutting } from '@rahat/repository/measuring';
import { median } from '../result-table.js';

/** What one core of this machine does, in bytes a second of the stage's own input. */
export interface MachineLimits {
  copy: number;
  sha256: number;
  aesGcm: number;
  zstd3: number;
  unzstd: number;
  cut: number;
  read: number;
  write: number;
  /** Plain bytes for one compressed byte of the sample. */
  compression: number;
}

const MIB = 1024 * 1024;
const REPETITIONS = 3;

/** Measured in this process on a sample of the very data, one thread, processor time, median of three. */
export function measureLimits(file: string, scratch: string, sampleBytes: number): MachineLimits {
  const sample = readSample(file, sampleBytes);
  const frames: Buffer[] = [];
  for (let at = 0; at < sample.length; at += MIB) frames.push(sample.subarray(at, at + MIB));
  const compressed = frames.map(compress);
  const key = randomBytes(32);
  const rate = (work: () => void): number => {
    const seconds: number[] = [];
    work();
    for (let i = 0; i < REPETITIONS; i++) {
      // Processor time, not the clock's: on a busy machine the clock makes the limit low, and every run look better than possible.
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      seconds.push((user + system) / 1e6);
    }
    return sample.length / median(seconds);
  };
  const target = Buffer.alloc(sample.length);
  return {
    copy: rate(() => sample.copy(target)),
    sha256: rate(() => frames.forEach((frame) => createHash('sha256').update(frame).digest())),
    aesGcm: rate(() =>
      frames.forEach((frame) => {
        const cipher = createCipheriv('aes-256-gcm', key, Buffer.alloc(12));
        cipher.update(frame);
        cipher.final();
      }),
    ),
    zstd3: rate(() => frames.forEach(compress)),
    unzstd: rate(() => compressed.forEach(decompress)),
    cut: rate(() => measureCutting(sample)),
    read: rate(() => readThrough(file, sampleBytes, target)),
    write: rate(() => writeSample(scratch, sample)),
    compression: sample.length / compressed.reduce((sum, frame) => sum + frame.length, 0),
  };
}

/**
 * Processor seconds that a first backup needs for its stages alone: read, cut, hash chunks and the whole, compress, and for what
 * is stored seal, hash and write. Divided by the cores it is the least time that this machine needs.
 */
export function backupLimitSeconds(limits: MachineLimits, bytes: number): number {
  const stored = bytes / limits.compression;
  const { read, cut, sha256, zstd3, aesGcm, write } = limits;
  return bytes / read + bytes / cut + (2 * bytes + stored) / sha256 + bytes / zstd3 + stored / aesGcm + stored / write;
}

/** The same for a restore into a file: read, open, decompress, hash the whole, write. */
export function restoreLimitSeconds(limits: MachineLimits, bytes: number): number {
  const stored = bytes / limits.compression;
  const { read, sha256, unzstd, aesGcm, write } = limits;
  return stored / read + stored / aesGcm + bytes / unzstd + bytes / sha256 + bytes / write;
}

function compress(frame: Buffer): Buffer {
  return zstdCompressSync(frame, {
    chunkSize: frame.length + (frame.length >> 7) + 1024,
    params: { [constants.ZSTD_c_compressionLevel]: 3 },
  });
}

/** With room for a little more than the frame zstd needs no second buffer, and memory given back at once is still in the cache. */
function decompress(frame: Buffer): void {
  const plaintext = zstdDecompressSync(frame, { chunkSize: MIB + 64, maxOutputLength: MIB });
  (plaintext.buffer as ArrayBuffer).transfer(0);
}

/** From the middle of the file, where both tables of the made data are met. */
function readSample(file: string, sampleBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sampleBytes);
  return bytes.subarray(0, readThrough(file, sampleBytes, bytes));
}

/** Into memory that is there already. */
function readThrough(file: string, sampleBytes: number, target: Buffer): number {
  const opened = openSync(file, 'r');
  try {
    return readSync(opened, target, 0, sampleBytes, sampleBytes);
  } finally {
    closeSync(opened);
  }
}

function writeSample(file: string, sample: Buffer): void {
  const opened = openSync(file, 'w');
  try {
    for (let at = 0; at < sample.length; at += MIB) writeSync(opened, sample, at, Math.min(MIB, sample.length - at));
    fsyncSync(opened);
  } finally {
    closeSync(opened);
    rmSync(file);
  }
}
