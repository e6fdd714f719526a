import { truncate } from 'node:fs/promises';
import path from 'node:path';
import type { BlobStore } from '@rahat/blob-store-port';
import { deriveKeys } from '../keys/derivation.js';
import { packName, snapshotName } from '../layout.js';
import type { Repository } from '../repository.js';
import { sealManifest } from '../snapshots/manifest-files.js';
import type { Manifest } from '../snapshots/manifest.js';
import { snapshotFacts } from './builders.js';
import { contextOn, putSegment, randomPack } from './synthetic-index.js';

const CHUNKS_PER_PACK = 1300;
const PACKS_PER_SEGMENT = 32;
const OBJECTS_PER_SNAPSHOT = 4;

export interface SyntheticSize {
  chunks: number;
  snapshots: number;
}

/**
 * Fills a repository in a local folder with an index of random ids, packs that are holes of the right size and small manifests:
 * what opening it costs is real, what lies in it isn't.
 */
export async function fillRepository(repository: Repository, store: BlobStore, folder: string, size: SyntheticSize): Promise<void> {
  const context = contextOn(store, { repositoryId: Buffer.from(repository.id, 'hex'), keys: deriveKeys(repository.exportSecrets()) });
  for (let chunks = 0; chunks < size.chunks;) {
    const packs = Array.from({ length: PACKS_PER_SEGMENT }, () => randomPack(CHUNKS_PER_PACK));
    for (const { hash, sizeBytes } of packs) {
      await store.put(packName(hash), Buffer.alloc(1));
      await truncate(path.join(folder, packName(hash)), sizeBytes);
    }
    await putSegment(context, packs);
    chunks += PACKS_PER_SEGMENT * CHUNKS_PER_PACK;
  }
  for (let n = 0; n < size.snapshots; n++) {
    const manifest = manifestOf(repository.id, n);
    await store.put(snapshotName(manifest.snapshot), sealManifest(context, manifest));
  }
}

function manifestOf(repository: string, n: number): Manifest {
  const objects = Array.from({ length: OBJECTS_PER_SNAPSHOT }, (_, order) => ({
    key: `rows/public/table_${order}`,
    kind: 'rows' as const,
    order,
    class: 'rows' as const,
    sizeBytes: 65_536,
    sha256: 'ab'.repeat(32),
    recipe: { chunks: [['cd'.repeat(32), 65_536]] as [string, number][] },
  }));
  return {
    ...snapshotFacts(),
    format: 1,
    snapshot: `backup_${String(n).padStart(8, '0')}`,
    repository,
    writer: 'worker-1',
    productVersion: '0.1.0',
    createdAt: new Date(Date.UTC(2026, 0, 1) + n * 3_600_000).toISOString(),
    objects,
    sizeBytes: OBJECTS_PER_SNAPSHOT * 65_536,
    addedBytes: 1000,
  };
}
