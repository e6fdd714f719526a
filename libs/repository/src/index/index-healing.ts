import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { packHash, PACKS_PREFIX } from '../layout.js';
import { readPackDirectory } from '../packs/pack-reader.js';
import type { IndexHealing, RepositoryIndex } from './repository-index.js';
import { readIndexSegments } from './segment-files.js';

/** repository.md §10: a wrong or missing chunk is looked for in other packs. Each remedy is tried once per session. */
export function createIndexHealing(context: RepositoryContext, index: RepositoryIndex): IndexHealing {
  let adoption: Promise<void> | undefined;
  let restoredBlocks = 0;
  let restoration = Promise.resolve();
  const restoreLostRows = (): Promise<void> => {
    if (index.chunks.lostBlocks > restoredBlocks) {
      restoredBlocks = index.chunks.lostBlocks;
      restoration = restoration.then(() => takeSegmentsAgain(context, index));
    }
    return restoration;
  };
  return {
    restoreLostRows,
    async adoptUnindexed() {
      await restoreLostRows();
      await (adoption ??= adoptUnindexedPacks(context, index));
    },
    avoidPack: (pack) => {
      index.avoidPack(pack);
      return Promise.resolve();
    },
  };
}

async function takeSegmentsAgain(context: RepositoryContext, index: RepositoryIndex): Promise<void> {
  for await (const { packs } of readIndexSegments(context)) {
    for (const pack of packs) index.restorePack(pack);
  }
}

async function adoptUnindexedPacks(context: RepositoryContext, index: RepositoryIndex): Promise<void> {
  for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) {
    const hash = packHash(name);
    if (index.packNumber(hash) !== undefined) continue;
    try {
      index.addPack({ hash, sizeBytes, ...(await readPackDirectory(context, hash, sizeBytes)) });
    } catch (error) {
      if (!(error instanceof RahatError) || error.code !== 'repository_damaged') throw error;
    }
  }
}
