import { hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import type { RepositoryContext } from '../context.js';
import { ROWS_PER_BLOCK, SEALED_BLOCK_BYTES, type StoredBlocks } from './chunk-rows.js';
import { ChunkTable, type ChunkTableOptions } from './chunk-table.js';
import type { KnownPack } from './repository-index.js';
import { BLOCK_TAG_BYTES, readFully, SealedBlocks, writeFully } from './sealed-blocks.js';

/**
 * File of the local cache: all that a number of segments say, ready for look-ups (not a part of the repository's format):
 * magic 8, salt 32, then sealed blocks: rows, pieces of the slots, frames of the packs, directory; at the end the trailer.
 */
const MAGIC = Buffer.from('RHTIDX01');
const SALT_BYTES = 32;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const SLOT_PIECE_WORDS = 256 * 1024;
/** rows, distinct chunks, slots, words of frames, bytes of the directory, each 8 bytes. */
const TRAILER_BYTES = 5 * 8;
const TRAILER_NUMBER = 2 ** 47;
const BLOCKS_PER_BREATH = 64;

const Directory = z.object({
  packs: z.array(
    z.object({
      hash: z.string().length(64),
      sizeBytes: z.number().int(),
      kind: z.enum(['data', 'metadata']),
      digest: z.string(),
      frames: z.number().int().min(0),
    }),
  ),
  segments: z.array(z.object({ id: z.string(), packs: z.array(z.number().int().min(0)) })),
});

/** What lies in a cache file besides rows and slots. `digests` and the packs have the same order. */
export interface IndexFacts {
  packs: KnownPack[];
  /** Of each pack's table, so that a segment that tells of the same pack otherwise is noticed. */
  digests: string[];
  /** Numbers of the packs that each of the segments names. */
  segments: Map<string, number[]>;
}

/** Writes all of the table; nobody may change it in the meantime. Rejects with what the file system says. */
export async function writeIndexFile(path: string, context: RepositoryContext, chunks: ChunkTable, facts: IndexFacts): Promise<void> {
  const salt = randomBytes(SALT_BYTES);
  const file = openSync(path, 'wx', 0o600);
  try {
    writeFully(file, Buffer.concat([MAGIC, salt]), 0);
    const blocks = new SealedBlocks(file, fileKey(context, salt));
    let position = HEADER_BYTES;
    let number = 0;
    const write = async (bytes: Uint8Array): Promise<void> => {
      blocks.write(position, number, bytes);
      position += bytes.length + BLOCK_TAG_BYTES;
      // Leases are renewed while tens of millions of rows are written.
      if (++number % BLOCKS_PER_BREATH === 0) await breathe();
    };
    const { rows, slots, distinct } = chunks.stored;
    for (let block = 0; block < rows.blocks; block++) {
      const words = rows.block(block);
      if (!words) throw new RahatError('unavailable', 'the file that it replaces is damaged');
      await write(bytesOf(words));
    }
    for (const piece of slotPieces(slots)) await write(bytesOf(piece));
    const frames = frameWords(facts.packs);
    await write(bytesOf(frames));
    const directory = encodeDirectory(facts);
    await write(directory);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    [rows.length, distinct, slots.length, frames.length, directory.length].forEach((value, i) => trailer.writeUIntLE(value, i * 8, 6));
    blocks.write(position, TRAILER_NUMBER, trailer);
  } finally {
    closeSync(file);
  }
}

/**
 * undefined where the file is damaged, cut off or of another repository; throws what the file system throws. Rows are
 * authenticated when they are read first: `onDamage` is called where they turn out damaged then.
 */
export function openIndexFile(
  path: string,
  context: RepositoryContext,
  options: ChunkTableOptions & { onDamage: () => void },
): { chunks: ChunkTable; facts: IndexFacts } | undefined {
  const file = openSync(path, 'r');
  let opened = false;
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    if (!readFully(file, header, 0) || !header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
    const blocks = new SealedBlocks(file, fileKey(context, header.subarray(MAGIC.length)));
    const end = fstatSync(file).size - TRAILER_BYTES - BLOCK_TAG_BYTES;
    if (end < HEADER_BYTES || !blocks.read(end, TRAILER_NUMBER, trailer)) return undefined;
    const [rows, distinct, slotCount, frameCount, directoryBytes] = Array.from({ length: 5 }, (_, i) => trailer.readUIntLE(i * 8, 6));
    const count = Math.ceil(rows! / ROWS_PER_BLOCK);
    let position = HEADER_BYTES + count * SEALED_BLOCK_BYTES;
    let number = count;
    const read = (bytes: Uint8Array): boolean => {
      const whole = blocks.read(position, number++, bytes);
      position += bytes.length + BLOCK_TAG_BYTES;
      return whole;
    };
    const slots = new Uint32Array(slotCount!);
    for (const piece of slotPieces(slots)) if (!read(bytesOf(piece))) return undefined;
    const frames = new Uint32Array(frameCount!);
    const directory = Buffer.alloc(directoryBytes!);
    if (!read(bytesOf(frames)) || !read(directory)) return undefined;
    const facts = decodeDirectory(directory, frames);
    if (!facts) return undefined;
    const stored: StoredBlocks = {
      read(block, into) {
        const whole = blocks.read(HEADER_BYTES + block * SEALED_BLOCK_BYTES, block, into);
        if (!whole) options.onDamage();
        return whole;
      },
      close: () => blocks.close(),
    };
    const chunks = new ChunkTable({ ...options, stored: { blocks: stored, rows: rows! }, storedSlots: { slots, distinct: distinct! } });
    opened = true;
    return { chunks, facts };
  } finally {
    if (!opened) closeSync(file);
  }
}

function fileKey({ keys, repositoryId }: RepositoryContext, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', keys.metadata, salt, Buffer.concat([Buffer.from('rahat/local/index-cache'), repositoryId]), 32));
}

function* slotPieces(slots: Uint32Array): Generator<Uint32Array> {
  for (let at = 0; at < slots.length; at += SLOT_PIECE_WORDS) yield slots.subarray(at, at + SLOT_PIECE_WORDS);
}

function frameWords(packs: KnownPack[]): Uint32Array {
  const words = new Uint32Array(packs.reduce((sum, { frameOffsets }) => sum + 3 * frameOffsets.length, 0));
  let at = 0;
  for (const { frameOffsets, storedLengths, plainLengths } of packs) {
    for (const column of [frameOffsets, storedLengths, plainLengths]) {
      words.set(column, at);
      at += column.length;
    }
  }
  return words;
}

function encodeDirectory({ packs, digests, segments }: IndexFacts): Buffer {
  const directory: z.infer<typeof Directory> = {
    packs: packs.map(({ hash, sizeBytes, kind, frameOffsets }, i) => ({
      hash,
      sizeBytes,
      kind,
      digest: digests[i]!,
      frames: frameOffsets.length,
    })),
    segments: Array.from(segments, ([id, numbers]) => ({ id, packs: numbers })),
  };
  return Buffer.from(JSON.stringify(directory));
}

function decodeDirectory(bytes: Buffer, frames: Uint32Array): IndexFacts | undefined {
  const { data: directory } = Directory.safeParse(JSON.parse(bytes.toString('utf8')));
  if (!directory) return undefined;
  let at = 0;
  const column = (count: number): Uint32Array => frames.subarray(at, (at += count));
  return {
    packs: directory.packs.map(({ hash, sizeBytes, kind, frames: count }) => ({
      hash,
      sizeBytes,
      kind,
      frameOffsets: column(count),
      storedLengths: column(count),
      plainLengths: column(count),
    })),
    digests: directory.packs.map(({ digest }) => digest),
    segments: new Map(directory.segments.map(({ id, packs }) => [id, packs])),
  };
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
