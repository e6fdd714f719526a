import type { Manifest, StoredObject } from '../format/manifest.js';
import { describeObject } from '../commands/show.js';
import type { ObjectReader } from '../object-reader.js';
import { messageOf, ReaderError } from '../reader-error.js';
import { mkdir } from 'node:fs/promises';
import type { TargetFolder } from './target-folder.js';

const READABLE_CHARACTERS = 80;

export interface ObjectFailure {
  key: string;
  error: string;
}

/**
 * Every object as a file below `objects`. Keys are any Unicode, so files get a number and the readable part of the key; `manifest.json` says
 * which is which. Where `keepGoing`, damaged objects are left out and given back.
 */
export async function restoreObjectFiles(
  reader: ObjectReader,
  manifest: Manifest,
  target: TargetFolder,
  keepGoing: boolean,
): Promise<ObjectFailure[]> {
  await mkdir(target.place('objects'));
  const failures: ObjectFailure[] = [];
  const listed: unknown[] = [];
  for (const [index, object] of manifest.objects.entries()) {
    const file = `objects/${fileName(index, object)}`;
    try {
      await target.write(target.place(...file.split('/')), reader.read(object));
      listed.push({ file, ...describeObject(object) });
    } catch (error) {
      if (!keepGoing || !(error instanceof ReaderError) || error.kind !== 'damaged') throw error;
      failures.push({ key: object.key, error: messageOf(error) });
      listed.push({ file: null, error: messageOf(error), ...describeObject(object) });
    }
  }
  await target.writeText('manifest.json', `${JSON.stringify({ ...manifest.facts, objects: listed }, null, 2)}\n`);
  return failures;
}

function fileName(index: number, { key }: StoredObject): string {
  const readable = key.replace(/[^A-Za-z0-9_-]+/g, '.').replace(/^\.+/, '');
  return `${String(index + 1).padStart(6, '0')}-${readable.slice(0, READABLE_CHARACTERS)}`;
}
