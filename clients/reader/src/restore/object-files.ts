import { mkdir } from 'node:fs/promises';
import type { Manifest, StoredObject } from '../format/manifest.js';
import type { ObjectReader } from '../object-reader.js';
import { messageOf, ReaderError } from '../reader-error.js';
import type { TargetFolder } from './target-folder.js';

const READABLE_CHARACTERS = 80;

/** What became of an object. */
export interface WrittenObject {
  object: StoredObject;
  file?: string;
  error?: string;
}

/**
 * Every object as a file below `objects`. Keys are any Unicode, so files get a number and the readable part of the key. Where `keepGoing`,
 * damaged objects are left out and told with their error.
 */
export async function restoreObjectFiles(
  reader: ObjectReader,
  { objects }: Manifest,
  target: TargetFolder,
  keepGoing: boolean,
): Promise<WrittenObject[]> {
  await mkdir(target.place('objects'));
  const written: WrittenObject[] = [];
  for (const [index, object] of objects.entries()) {
    const name = fileName(index, object);
    try {
      await target.write(target.place('objects', name), reader.read(object));
      written.push({ object, file: `objects/${name}` });
    } catch (error) {
      if (!keepGoing || !(error instanceof ReaderError) || error.kind !== 'damaged') throw error;
      written.push({ object, error: messageOf(error) });
    }
  }
  return written;
}

function fileName(index: number, { key }: StoredObject): string {
  const readable = key.replace(/[^A-Za-z0-9_-]+/g, '.').replace(/^\.+/, '');
  return `${String(index + 1).padStart(6, '0')}-${readable.slice(0, READABLE_CHARACTERS)}`;
}
