import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { packHash, PACKS_PREFIX } from '../layout.js';
import { readPackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt } from '../packs/pack-table.js';
import type { IndexHealing, RepositoryIndex } from './repository-index.js';
import { readIndexSegments } from './segment-files.js';

/** repository.md §10: a wrong or missing chunk is looked for in other packs. Each remedy is tried once per session. */
export function createIndexHealing(context: RepositoryContext, index: RepositoryIndex): IndexHealing {
  let adoption: Promise<void> | undefined;
  const avoided = new Map<number, Promise<void>>();
  return {
    adoptUnindexed: () => (adoption ??= adoptUnindexedPacks(context, index)),
    avoidPack: (pack) => {
      let search = avoided.get(pack);
      if (!search) avoided.set(pack, (search = findOtherHomes(context, index, pack, new Set(avoided.keys()))));
      return search;
    },
  };
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

async function findOtherHomes(
  context: RepositoryContext,
  index: RepositoryIndex,
  bad: number,
  alsoBad: ReadonlySet<number>,
): Promise<void> {
  for await (const { packs } of readIndexSegments(context)) {
    for (const { hash, table } of packs) {
      const pack = index.packNumber(hash);
      if (pack === undefined || pack === bad || alsoBad.has(pack)) continue;
      table.chunkFrames.forEach((frame, i) => {
        const id = chunkIdAt(table, i);
        if (index.chunks.get(id)?.pack !== bad) return;
        index.chunks.set(id, { pack, frame, offset: table.chunkOffsets[i]!, length: table.chunkLengths[i]! });
      });
    }
  }
}
