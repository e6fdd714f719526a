import { randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { INDEX_PREFIX, indexName } from '../layout.js';
import type { IndexedPack, IndexSegment } from './index-segment.js';
import { openIndexSegment, sealIndexSegment, visitIndexSegments } from './segment-files.js';

/** What the choice needs to know of a segment. */
export interface SegmentOutline {
  id: string;
  writer: string;
  chunks: number;
  replaces: string[];
  /** Numbers of its packs in the index. */
  packs: number[];
}

/** Segments of this many chunks (11 MB) are large enough. */
export const FULL_SEGMENT_CHUNKS = 262_144;
const FANOUT = 4;

/**
 * repository.md §9: four segments of one size class become one of the next, so that a chunk is rewritten only log4 times. A segment
 * names its writer, for the case that the writer isn't trusted any more, so only segments of one writer are merged. A
 * segment that names a pack which must leave the index is rewritten in any case. Pure.
 */
export function chooseSegments(segments: SegmentOutline[], isKept: (pack: number) => boolean): SegmentOutline[] {
  const classes = new Map<string, SegmentOutline[]>();
  for (const segment of segments) {
    if (segment.chunks >= FULL_SEGMENT_CHUNKS) continue;
    const sizeClass = Math.floor(Math.log(Math.max(segment.chunks, 1)) / Math.log(FANOUT));
    const key = `${sizeClass} ${segment.writer}`;
    classes.set(key, [...(classes.get(key) ?? []), segment]);
  }
  const merged = new Set([...classes.values()].filter((group) => group.length >= FANOUT).flat());
  return segments.filter((segment) => merged.has(segment) || !segment.packs.every(isKept));
}

/** Segments that another one has replaced, and whose removal was broken off. Pure. */
export function replacedSegments(segments: SegmentOutline[]): string[] {
  const replaced = new Set(segments.flatMap(({ replaces }) => replaces));
  return segments.map(({ id }) => id).filter((id) => replaced.has(id));
}

interface NamedSegment {
  id: string;
  /** By the storage's clock. */
  storedAtMs: number;
  segment: IndexSegment;
}

/** Every segment that opens, with its id. A damaged one stays as it is: checks report it. */
export function namedSegments(context: RepositoryContext): AsyncGenerator<NamedSegment> {
  return visitIndexSegments(context, async (name, modifiedAt) => ({
    ...(await readSegment(context, name)),
    storedAtMs: modifiedAt.getTime(),
  }));
}

async function readSegment(context: RepositoryContext, name: string): Promise<Pick<NamedSegment, 'id' | 'segment'>> {
  const segment = openIndexSegment(context, name, await context.store.get(name));
  return { id: name.slice(INDEX_PREFIX.length), segment };
}

/** Puts what the chosen segments name, without the packs that `keep` refuses, into new ones. Gives the replaced segments' ids. */
export async function rewriteSegments(
  context: RepositoryContext,
  chosen: SegmentOutline[],
  keep: (hash: string) => boolean,
  beforePut: () => void,
): Promise<string[]> {
  const replaced: string[] = [];
  for (const [writer, group] of Map.groupBy(chosen, (segment) => segment.writer)) {
    const output = new SegmentOutput(context, writer, beforePut);
    const named = new Set<string>();
    for (const { id } of group) {
      const segment = await readUnlessGone(context, id);
      if (!segment) continue;
      for (const pack of segment.packs) {
        if (!keep(pack.hash) || named.has(pack.hash)) continue;
        named.add(pack.hash);
        await output.add(pack);
      }
      output.consumed(id);
      replaced.push(id);
    }
    await output.finish();
  }
  return replaced;
}

/** Another collection may have replaced it meanwhile. */
async function readUnlessGone(context: RepositoryContext, id: string): Promise<IndexSegment | undefined> {
  try {
    return (await readSegment(context, indexName(id))).segment;
  } catch (error) {
    if (error instanceof RahatError && error.code === 'blob_not_found') return undefined;
    throw error;
  }
}

/** A segment is named as replaced only by the one with which all of it has been written again. */
class SegmentOutput {
  private packs: IndexedPack[] = [];
  private chunks = 0;
  private replaces: string[] = [];

  constructor(
    private readonly context: RepositoryContext,
    private readonly writer: string,
    private readonly beforePut: () => void,
  ) {}

  async add(pack: IndexedPack): Promise<void> {
    this.packs.push(pack);
    this.chunks += pack.table.chunkFrames.length;
    if (this.chunks >= FULL_SEGMENT_CHUNKS) await this.put();
  }

  consumed(id: string): void {
    this.replaces.push(id);
  }

  async finish(): Promise<void> {
    if (this.packs.length > 0) await this.put();
  }

  private async put(): Promise<void> {
    const { writer, replaces, packs } = this;
    const name = indexName(randomBytes(16).toString('hex'));
    this.beforePut();
    await this.context.store.put(name, sealIndexSegment(this.context, name, { writer, replaces, packs }));
    this.packs = [];
    this.chunks = 0;
    this.replaces = [];
  }
}
