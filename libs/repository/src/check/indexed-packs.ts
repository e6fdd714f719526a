import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import { RepositoryIndex } from '../index/repository-index.js';
import { openIndexSegment } from '../index/segment-files.js';
import { INDEX_PREFIX, packHash, PACKS_PREFIX } from '../layout.js';
import { encodePackTable } from '../packs/pack-table.js';
import type { CheckProblem } from '../repository.js';

export type Report = (severity: CheckProblem['severity'], file: string, message: string) => void;

/** What the segments say of one pack: each distinct statement with the first segment that makes it. */
export type PackStatements = ReadonlyMap<string, string>;

export interface IndexedPacks {
  /** As far as the segments open. */
  index: RepositoryIndex;
  /** By the pack's hash. */
  statements: Map<string, Map<string, string>>;
  /** Rows of the packs' tables; what is more than the index's chunks lies in several packs. */
  chunkRows: number;
}

/** Equal for two who say the same of a pack: its size, its kind, its frames and its chunks. */
export function packStatement({ sizeBytes, kind, table }: Omit<IndexedPack, 'hash'>): string {
  return createHash('sha256').update(`${sizeBytes} ${kind} `).update(encodePackTable(table)).digest('hex');
}

/** A damaged segment is reported, and what only it knew turns up as missing chunks. */
export async function readIndexedPacks(context: RepositoryContext, report: Report): Promise<IndexedPacks> {
  const found: IndexedPacks = { index: new RepositoryIndex(), statements: new Map(), chunkRows: 0 };
  for await (const { name } of context.store.list(INDEX_PREFIX)) {
    for (const pack of await readableSegment(context, name, report)) {
      const statements = found.statements.get(pack.hash) ?? new Map<string, string>();
      if (statements.size === 0) found.chunkRows += pack.table.chunkFrames.length;
      found.statements.set(pack.hash, statements);
      const statement = packStatement(pack);
      if (!statements.has(statement)) statements.set(statement, name);
      found.index.addPack(pack);
    }
  }
  return found;
}

/** A chunk that also lies in a pack that is there has its home in that one. */
export function avoidAbsentPacks({ index }: IndexedPacks, stored: ReadonlyMap<string, number>): void {
  index.packs.forEach(({ hash, sizeBytes }, number) => stored.get(hash) !== sizeBytes && index.avoidPack(number));
}

async function readableSegment(context: RepositoryContext, name: string, report: Report): Promise<IndexedPack[]> {
  try {
    return openIndexSegment(context, name, await context.store.get(name)).packs;
  } catch (error) {
    const { code, message } = RahatError.from(error);
    // Compacted away since it was listed.
    if (code === 'blob_not_found') return [];
    if (!code.startsWith('repository_')) throw error;
    report('damage', name, message);
    return [];
  }
}

const PACK_NAME = /^packs\/([0-9a-f]{2})\/\1[0-9a-f]{62}$/;

/** Sizes by hash. A file that no pack can be named like is told of and otherwise left alone. */
export async function listPacks(context: RepositoryContext, report: Report): Promise<Map<string, number>> {
  const packs = new Map<string, number>();
  for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) {
    if (PACK_NAME.test(name)) packs.set(packHash(name), sizeBytes);
    else report('notice', name, 'No pack has such a name; the file belongs to someone else.');
  }
  return packs;
}
