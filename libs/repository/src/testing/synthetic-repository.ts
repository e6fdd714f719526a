import { createHmac } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import path from 'node:path';
import type { BlobStore } from '@rahat/blob-store-port';
import { LEASE_TTL_MS, type RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import { RepositoryIndex } from '../index/repository-index.js';
import { deriveKeys } from '../keys/derivation.js';
import { packName, snapshotName } from '../layout.js';
import { Lease } from '../leases/lease.js';
import { chunkIdAt } from '../packs/pack-table.js';
import type { Repository } from '../repository.js';
import { sealManifest } from '../snapshots/manifest-files.js';
import type { Manifest, Recipe, StoredObject } from '../snapshots/manifest.js';
import { encodeRecipeRow } from '../snapshots/recipes.js';
import { ChunkIntake } from '../writing/chunk-intake.js';
import { snapshotFacts } from './builders.js';
import { contextOn, putSegment, randomPack } from './synthetic-index.js';

const CHUNKS_PER_PACK = 1300;
const PACKS_PER_SEGMENT = 32;
const OBJECTS_PER_SNAPSHOT = 4;
const RECIPE_CHUNK_BYTES = 65_536;

export interface SyntheticSize {
  chunks: number;
  snapshots: number;
}

/**
 * Fills a repository in a local folder with an index of random ids, packs that are holes of the right size and small manifests:
 * what opening it costs is real, what lies in it isn't.
 */
export async function fillRepository(repository: Repository, store: BlobStore, folder: string, size: SyntheticSize): Promise<void> {
  const context = contextOf(repository, store);
  for (let chunks = 0; chunks < size.chunks; chunks += PACKS_PER_SEGMENT * CHUNKS_PER_PACK) await putPacks(context, folder);
  const objects = Array.from({ length: OBJECTS_PER_SNAPSHOT }, (_, order) =>
    objectOf(order, 65_536, { chunks: [['cd'.repeat(32), 65_536]] }),
  );
  for (let n = 0; n < size.snapshots; n++) await putManifest(context, n, objects);
}

/**
 * The same with recipes: most chunks are needed by every snapshot, one pack in ten by none. Gives the number of packs that are not
 * needed.
 */
export async function fillForCollection(repository: Repository, store: BlobStore, folder: string, size: SyntheticSize): Promise<number> {
  const context = contextOf(repository, store);
  const lease = await Lease.take(context, 'writer', 'synthetic');
  using index = new RepositoryIndex();
  await using intake = new ChunkIntake(context, index, lease, { writer: 'writer-1' });
  const objects: StoredObject[] = [];
  let dead = 0;
  for (let chunks = 0; chunks < size.chunks; chunks += PACKS_PER_SEGMENT * CHUNKS_PER_PACK) {
    const packs = await putPacks(context, folder);
    const needed = packs.filter((_, number) => number % 10 !== 0);
    dead += packs.length - needed.length;
    objects.push(await objectIn(needed, objects.length, { context, intake }));
  }
  await intake.flush();
  for (let n = 0; n < size.snapshots; n++) await putManifest(context, n, objects);
  await lease.release();
  return dead;
}

function contextOf(repository: Repository, store: BlobStore): RepositoryContext {
  const keys = deriveKeys(repository.exportSecrets());
  return contextOn(store, { repositoryId: Buffer.from(repository.id, 'hex'), keys, leaseTtlMs: LEASE_TTL_MS });
}

async function putPacks(context: RepositoryContext, folder: string): Promise<IndexedPack[]> {
  const packs = Array.from({ length: PACKS_PER_SEGMENT }, () => randomPack(CHUNKS_PER_PACK));
  for (const { hash, sizeBytes } of packs) {
    await context.store.put(packName(hash), Buffer.alloc(1));
    await truncate(path.join(folder, packName(hash)), sizeBytes);
  }
  await putSegment(context, packs);
  return packs;
}

/** An object that consists of all chunks of these packs, its recipe in a metadata pack. */
async function objectIn(
  packs: IndexedPack[],
  order: number,
  { context, intake }: { context: RepositoryContext; intake: ChunkIntake },
): Promise<StoredObject> {
  const rows = packs.flatMap(({ table }) =>
    Array.from(table.chunkLengths, (length, i) => encodeRecipeRow({ id: chunkIdAt(table, i), length })),
  );
  const bytes = Buffer.concat(rows);
  const recipeChunks: [string, number][] = [];
  for (let at = 0; at < bytes.length; at += RECIPE_CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + RECIPE_CHUNK_BYTES);
    const id = createHmac('sha256', context.keys.recipeChunkId).update(chunk).digest();
    await intake.take('recipe', id, chunk);
    recipeChunks.push([id.toString('hex'), chunk.length]);
  }
  const sizeBytes = packs.reduce((sum, { table }) => sum + table.chunkLengths.reduce((all, length) => all + length, 0), 0);
  return objectOf(order, sizeBytes, { recipeChunks, count: rows.length });
}

function objectOf(order: number, sizeBytes: number, recipe: Recipe): StoredObject {
  return { key: `rows/public/table_${order}`, kind: 'rows', order, class: 'rows', sizeBytes, sha256: 'ab'.repeat(32), recipe };
}

async function putManifest(context: RepositoryContext, n: number, objects: StoredObject[]): Promise<void> {
  const manifest = manifestOf(context.repositoryId.toString('hex'), n, objects);
  await context.store.put(snapshotName(manifest.snapshot), sealManifest(context, manifest));
}

function manifestOf(repository: string, n: number, objects: StoredObject[]): Manifest {
  return {
    ...snapshotFacts(),
    format: 1,
    snapshot: `backup_${String(n).padStart(8, '0')}`,
    repository,
    writer: 'worker-1',
    productVersion: '0.1.0',
    createdAt: new Date(Date.UTC(2026, 0, 1) + n * 3_600_000).toISOString(),
    objects,
    sizeBytes: objects.reduce((sum, object) => sum + object.sizeBytes, 0),
    addedBytes: 1000,
  };
}
