import type { Manifest, StoredObject } from './format/manifest.js';
import type { ObjectReader } from './object-reader.js';
import type { PackCheck } from './pack-check.js';
import { messageOf } from './reader-error.js';

/** An object that can't be restored. */
export interface Loss {
  snapshot: string;
  object: string;
  message: string;
}

/** Resolves every chunk of every object; data is not read, stored recipes are. */
export async function checkSnapshot(manifest: Manifest, reader: ObjectReader, packs: PackCheck): Promise<Loss[]> {
  const losses: Loss[] = [];
  for (const object of manifest.objects) {
    try {
      await checkObject(object, reader, packs);
    } catch (error) {
      losses.push({ snapshot: manifest.snapshot, object: object.key, message: messageOf(error) });
    }
  }
  return losses;
}

async function checkObject(object: StoredObject, reader: ObjectReader, packs: PackCheck): Promise<void> {
  let sizeBytes = 0;
  for await (const { id, length } of reader.chunks(object)) {
    sizeBytes += length;
    if (packs.holds(id, length)) continue;
    await reader.index.readFooters();
    if (!packs.holds(id, length)) throw new Error(`chunk ${id.toString('hex')} is in no whole pack (${packs.brokenHomes(id)})`);
  }
  if (sizeBytes !== object.sizeBytes) throw new Error(`its chunks have ${sizeBytes} bytes instead of ${object.sizeBytes}`);
}
