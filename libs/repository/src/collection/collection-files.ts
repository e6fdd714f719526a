import { RahatError } from '@rahat/contracts';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { RepositoryContext } from '../context.js';
import { COLLECTIONS_PREFIX } from '../layout.js';
import { sealingOf } from '../sealed-files/sealing.js';

/** Why a pack is condemned: no snapshot needs it, little of it is needed, it is one of many small ones, or it can't be read. */
export const CondemnationReason = z.enum(['dead', 'sparse', 'small', 'unreadable']);
export type CondemnationReason = z.infer<typeof CondemnationReason>;

/** Payload of a file under collections/. Writers need `condemned` only. */
const CollectionFile = z.object({
  format: z.literal(1),
  condemned: z.array(z.string()),
  /** One for each condemned pack. */
  reasons: z.array(CondemnationReason).optional(),
});

export interface Collection {
  /** Name of the file; ascending in the order of generations. */
  name: string;
  condemned: string[];
  /** Server time at which the condemnation became true. */
  condemnedAtMs: number;
}

/** All that stand, in ascending order of their generations. One that is removed meanwhile has nothing left to say. */
export async function readCollections(context: RepositoryContext): Promise<Collection[]> {
  const collections: Collection[] = [];
  for await (const { name, modifiedAt } of context.store.list(COLLECTIONS_PREFIX)) {
    const file = await getUnlessGone(context, name);
    if (!file) continue;
    const { condemned } = openCollection(context, name, file);
    collections.push({ name, condemned, condemnedAtMs: modifiedAt.getTime() });
  }
  return collections.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function assertCollectionReadable(context: RepositoryContext, name: string): Promise<void> {
  openCollection(context, name, await context.store.get(name));
}

export async function readCondemnedPacks(context: RepositoryContext): Promise<Set<string>> {
  return new Set((await readCollections(context)).flatMap(({ condemned }) => condemned));
}

/** `after` are the collections that are known: the new generation comes after theirs. */
export async function putCollection(
  context: RepositoryContext,
  packs: { hash: string; reason: CondemnationReason }[],
  after: Collection[],
): Promise<void> {
  const last = Math.max(0, ...after.map(({ name }) => Number.parseInt(name.slice(COLLECTIONS_PREFIX.length), 10) || 0));
  // Two collectors may be at the same number: the rest of the name keeps their files apart.
  const name = `${COLLECTIONS_PREFIX}${String(last + 1).padStart(10, '0')}-${randomBytes(8).toString('hex')}`;
  const payload: z.infer<typeof CollectionFile> = {
    format: 1,
    condemned: packs.map(({ hash }) => hash),
    reasons: packs.map(({ reason }) => reason),
  };
  await context.store.put(name, sealingOf(context).seal('collection', name, Buffer.from(JSON.stringify(payload))));
}

export function openCollection(context: RepositoryContext, name: string, file: Buffer): z.infer<typeof CollectionFile> {
  const parsed = CollectionFile.safeParse(JSON.parse(sealingOf(context).open('collection', name, file).toString('utf8')));
  if (!parsed.success) throw new RahatError('repository_damaged', `File ${name} cannot be understood.`, { cause: parsed.error });
  return parsed.data;
}

async function getUnlessGone(context: RepositoryContext, name: string): Promise<Buffer | undefined> {
  try {
    return await context.store.get(name);
  } catch (error) {
    if (error instanceof RahatError && error.code === 'blob_not_found') return undefined;
    throw error;
  }
}
