import { readCondemnedPacks } from '../collection/collection-files.js';
import type { RepositoryContext } from '../context.js';
import { packHash, PACKS_PREFIX } from '../layout.js';
import { createIndexHealing } from './index-healing.js';
import { loadIndex } from './index-loader.js';
import type { RepositoryIndex } from './repository-index.js';

/** A condemned pack is the last place where a chunk is looked for: it may be deleted while the session reads. */
export async function loadIndexForReading(context: RepositoryContext): Promise<RepositoryIndex> {
  const condemned = await readCondemnedPacks(context);
  const index = await loadIndex(context);
  index.packs.forEach(({ hash }, number) => condemned.has(hash) && index.avoidPack(number));
  index.healing = createIndexHealing(context, index);
  return index;
}

/**
 * What a writer may deduplicate against: no pack that a collection condemns (repository.md §7.1, listed before the index), and
 * none that is missing or cut off, so that the next backup heals what was lost.
 */
export async function loadIndexForWriting(context: RepositoryContext): Promise<RepositoryIndex> {
  const { writersAvoidCondemned, collectionsBeforePacks } = context.protocol;
  const early = collectionsBeforePacks ? await readCondemnedPacks(context) : undefined;
  const index = await loadIndex(context);
  index.healing = createIndexHealing(context, index);
  if (index.packs.length === 0) return index;
  const whole = await wholePacks(context, index);
  const condemned = early ?? (await readCondemnedPacks(context));
  index.packs.forEach(({ hash }, number) => {
    if (!whole[number] || (condemned.has(hash) && writersAvoidCondemned)) index.barPack(number);
  });
  return index;
}

/** 1 for each pack of the index that the storage holds in its full size. */
async function wholePacks(context: RepositoryContext, index: RepositoryIndex): Promise<Uint8Array> {
  const whole = new Uint8Array(index.packs.length);
  for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) {
    const number = index.packNumber(packHash(name));
    if (number !== undefined && index.packs[number]!.sizeBytes === sizeBytes) whole[number] = 1;
  }
  return whole;
}
