import { z } from 'zod';
import type { RepositoryContext } from '../context.js';
import { COLLECTIONS_PREFIX, packHash, PACKS_PREFIX } from '../layout.js';
import { openSealedFile } from '../sealed-files/sealed-file.js';
import { createIndexHealing } from './index-healing.js';
import { loadIndex } from './index-loader.js';
import type { RepositoryIndex } from './repository-index.js';

export async function loadIndexForReading(context: RepositoryContext): Promise<RepositoryIndex> {
  const index = await loadIndex(context);
  index.healing = createIndexHealing(context, index);
  return index;
}

/**
 * What a writer may deduplicate against: no pack that a collection condemns (repository.md §7.1, listed before the index), and
 * none that is missing or cut off, so that the next backup heals what was lost.
 */
export async function loadIndexForWriting(context: RepositoryContext): Promise<RepositoryIndex> {
  const condemned = await condemnedPacks(context);
  const index = await loadIndex(context);
  if (index.packs.length > 0) await barUnusablePacks(context, index, condemned);
  index.healing = createIndexHealing(context, index);
  return index;
}

async function barUnusablePacks(context: RepositoryContext, index: RepositoryIndex, condemned: ReadonlySet<string>): Promise<void> {
  const whole = new Uint8Array(index.packs.length);
  for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) {
    const number = index.packNumber(packHash(name));
    if (number !== undefined && index.packs[number]!.sizeBytes === sizeBytes) whole[number] = 1;
  }
  index.packs.forEach(({ hash }, number) => {
    if (!whole[number] || condemned.has(hash)) index.barPack(number);
  });
}

/** Payload of a file under collections/, as far as writers must understand it. */
const CollectionFile = z.object({ format: z.literal(1), condemned: z.array(z.string()) });

async function condemnedPacks(context: RepositoryContext): Promise<Set<string>> {
  const condemned = new Set<string>();
  for await (const { name } of context.store.list(COLLECTIONS_PREFIX)) {
    for (const hash of await readCondemned(context, name)) condemned.add(hash);
  }
  return condemned;
}

/** Hashes of the packs that the collection file `name` condemns. */
export async function readCondemned(context: RepositoryContext, name: string): Promise<string[]> {
  const identity = { repositoryId: context.repositoryId, type: 'collection', name } as const;
  const payload = openSealedFile(context.keys.metadata, identity, await context.store.get(name));
  return CollectionFile.parse(JSON.parse(payload.toString('utf8'))).condemned;
}
