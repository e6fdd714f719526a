import { openRepository } from '../open-repository.js';
import type { Repository } from '../repository.js';
import { describing, newRepository, noise, PASSPHRASE, pieces, snapshotFacts } from './builders.js';
import { MemoryStore } from './memory-store.js';

/** Distinct pages that compress well: a recipe of its own in a metadata pack, in little storage. */
export const PAGES = Buffer.concat(Array.from({ length: 70 }, (_, page) => Buffer.alloc(32 * 1024, `page ${page} `)));
export const CONTENT: Record<string, Buffer> = { pages: PAGES, ddl: Buffer.from('create table orders (id bigint)'), rows: noise(200_000) };

export async function writeContent(repository: Repository, id: string, over: Record<string, Buffer> = {}): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'worker-1' });
  const objects = [];
  for (const [key, bytes] of Object.entries({ ...CONTENT, ...over }))
    objects.push(await session.writeObject(describing(key, { class: key === 'pages' ? 'pages' : 'rows' }), pieces(bytes)));
  await session.commit(id, snapshotFacts(), objects);
}

export interface Place {
  store: MemoryStore;
  repository: Repository;
}

export async function place(identitySecret?: Buffer): Promise<Place> {
  const store = new MemoryStore();
  return { store, repository: await newRepository(store, { identitySecret }) };
}

/** Two repositories with one identity secret, both empty. */
export async function siblings(): Promise<[Place, Place]> {
  const first = await place();
  return [first, await place(first.repository.exportSecrets().identitySecret)];
}

export function filesOf(store: MemoryStore): MemoryStore {
  const copy = new MemoryStore();
  for (const [name, file] of store.files) copy.files.set(name, file);
  return copy;
}

export function reopen(store: MemoryStore): Promise<Repository> {
  return openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });
}
