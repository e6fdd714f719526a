import { createHmac, timingSafeEqual } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import { PENDING_PACK, type ChunkHome } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { ChunkReference } from '../snapshots/recipes.js';
import type { FramePlace, FrameSource } from './frame-source.js';

export interface ChunkReadOptions {
  /** Recompute each chunk's id with this key: proves that the index told the truth. */
  verifyWith?: Buffer;
  signal?: AbortSignal;
}

/** Chunks whose frames have this plain size together are fetched at once; two such windows are read ahead. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const WINDOWS_AHEAD = 2;
const MAX_WINDOW_CHUNKS = 4096;

interface FetchedChunk {
  reference: ChunkReference;
  home: ChunkHome;
  frame: Promise<Buffer>;
}

interface Window {
  chunks: FetchedChunk[];
}

/** Authenticated chunks in order, in memory that doesn't depend on their number. */
export async function* readChunks(
  index: RepositoryIndex,
  frames: FrameSource,
  references: AsyncIterable<ChunkReference> | Iterable<ChunkReference>,
  options: ChunkReadOptions,
): AsyncGenerator<Buffer> {
  const planned = planWindows(index, references);
  const ahead: Window[] = [];
  const fill = async (): Promise<void> => {
    while (ahead.length <= WINDOWS_AHEAD) {
      const next = await planned.next();
      if (next.done) return;
      ahead.push(start(next.value, frames, options.signal));
    }
  };
  try {
    for (await fill(); ahead.length > 0; await fill()) {
      for (const chunk of ahead.shift()!.chunks) {
        throwIfCancelled(options.signal);
        yield await readChunk(chunk, index, frames, options);
      }
    }
  } finally {
    await planned.return(undefined);
  }
}

async function readChunk(fetched: FetchedChunk, index: RepositoryIndex, frames: FrameSource, options: ChunkReadOptions): Promise<Buffer> {
  const { reference, home, frame } = fetched;
  try {
    const chunk = (await frame).subarray(home.offset, home.offset + home.length);
    if (options.verifyWith) verify(chunk, reference, index, home, options.verifyWith);
    return chunk;
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'repository_damaged' || !index.healing) throw error;
    await index.healing.avoidPack(home.pack);
    const other = locate(index, reference);
    if (other.pack === home.pack) throw error;
    return readChunk({ reference, home: other, frame: frames.fetch([other], options.signal)[0]! }, index, frames, options);
  }
}

interface PlannedChunk {
  reference: ChunkReference;
  home: ChunkHome;
}

async function* planWindows(
  index: RepositoryIndex,
  references: AsyncIterable<ChunkReference> | Iterable<ChunkReference>,
): AsyncGenerator<PlannedChunk[]> {
  let chunks: PlannedChunk[] = [];
  let bytes = 0;
  let frames = new Set<string>();
  for await (const reference of references) {
    const home = await locateOrAdopt(index, reference);
    const key = `${home.pack}/${home.frame}`;
    if (!frames.has(key)) {
      const frameBytes = index.packs[home.pack]!.plainLengths[home.frame]!;
      if (bytes + frameBytes > WINDOW_BYTES && chunks.length > 0) {
        yield chunks;
        [chunks, bytes, frames] = [[], 0, new Set()];
      }
      frames.add(key);
      bytes += frameBytes;
    }
    chunks.push({ reference, home });
    if (chunks.length >= MAX_WINDOW_CHUNKS) {
      yield chunks;
      [chunks, bytes, frames] = [[], 0, new Set()];
    }
  }
  if (chunks.length > 0) yield chunks;
}

function start(chunks: PlannedChunk[], source: FrameSource, signal?: AbortSignal): Window {
  const places = new Map<string, FramePlace>();
  for (const { home } of chunks) places.set(`${home.pack}/${home.frame}`, { pack: home.pack, frame: home.frame });
  const fetched = source.fetch([...places.values()], signal);
  const frames = new Map([...places.keys()].map((key, i) => [key, fetched[i]!]));
  return { chunks: chunks.map(({ reference, home }) => ({ reference, home, frame: frames.get(`${home.pack}/${home.frame}`)! })) };
}

/** A segment may be lost or damaged: packs tell by themselves what lies in them. */
async function locateOrAdopt(index: RepositoryIndex, reference: ChunkReference): Promise<ChunkHome> {
  if (!index.chunks.get(reference.id)) await index.healing?.adoptUnindexed();
  return locate(index, reference);
}

export function locate(index: RepositoryIndex, { id, length }: ChunkReference): ChunkHome {
  const home = index.chunks.get(id);
  if (!home || home.pack === PENDING_PACK) {
    throw new RahatError('repository_chunk_missing', `Chunk ${id.toString('hex')} is in no pack that the index knows.`);
  }
  if (home.length !== length)
    throw new RahatError('repository_damaged', `Chunk ${id.toString('hex')} has another length than its recipe says.`);
  return home;
}

function verify(chunk: Buffer, { id }: ChunkReference, index: RepositoryIndex, home: ChunkHome, key: Buffer): void {
  if (timingSafeEqual(createHmac('sha256', key).update(chunk).digest(), id)) return;
  throw new RahatError(
    'repository_damaged',
    `Chunk ${id.toString('hex')} in pack ${index.packs[home.pack]!.hash}, frame ${home.frame}, holds other bytes than its id says.`,
  );
}
