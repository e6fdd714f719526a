import { noise, pieces } from '../../testing/builders.js';
import type { ObjectDescription, WriteSession } from '../../repository.js';
import type { StoredObject } from '../../snapshots/manifest.js';

const PAGE_BYTES = 32 * 1024;
const PAGES = 70;

/** What the backup of this seed holds: some of it alone, some in common with others, whose packs may be condemned meanwhile. */
export function contentOf(seed: number): Record<string, Buffer> {
  const edition = seed % 4;
  return {
    common: noise(200_000, 1 + (seed % 3)),
    own: noise(1 + ((seed * 7919) % 300_000), 1_000 + seed),
    // A recipe of its own, in little storage.
    pages: Buffer.concat(Array.from({ length: PAGES }, (_, page) => Buffer.alloc(PAGE_BYTES, `page ${page} of ${edition}`))),
  };
}

export async function writeContent(session: WriteSession, content: Record<string, Buffer>): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for (const [key, bytes] of Object.entries(content)) {
    const description: ObjectDescription = { key, kind: 'rows', order: objects.length, class: key === 'pages' ? 'pages' : 'rows' };
    objects.push(await session.writeObject(description, pieces(bytes)));
  }
  return objects;
}
