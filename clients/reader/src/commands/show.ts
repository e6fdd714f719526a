import type { Manifest, StoredObject } from '../format/manifest.js';
import { bytesText, writeJson, writeOut, writeTable } from '../output.js';
import { ObjectReader } from '../object-reader.js';
import { ReaderError } from '../reader-error.js';
import type { Repository } from '../repository.js';

/** Prints all that the manifest says beside its objects. */
export async function showSnapshot(manifest: Manifest): Promise<void> {
  await writeJson({ ...manifest.facts, objects: manifest.objects.length });
}

/** What a listing tells of an object; the recipe stays out. */
export function describeObject({ key, kind, order, class: chunking, sizeBytes, sha256, rows, rowHash, meta }: StoredObject) {
  return { key, kind, order, class: chunking, sizeBytes, sha256, rows, rowHash, meta };
}

export async function listObjects({ objects }: Manifest, json: boolean): Promise<void> {
  if (json) return writeJson(objects.map(describeObject));
  const lines = objects.map(({ key, kind, sizeBytes, rows, sha256 }) => [kind, bytesText(sizeBytes), String(rows ?? ''), sha256, key]);
  await writeTable([['KIND', 'SIZE', 'ROWS', 'SHA-256', 'KEY'], ...lines]);
}

/** Writes an object to standard output. Each chunk is proven before it goes out, the whole only at the end: look at the exit code. */
export async function catObject(repository: Repository, manifest: Manifest, key: string): Promise<void> {
  const object = manifest.objects.find((candidate) => candidate.key === key);
  if (!object) throw new ReaderError('notFound', `Snapshot ${manifest.snapshot} has no object ${key}`);
  const reader = await ObjectReader.open(repository);
  for await (const bytes of reader.read(object)) await writeOut(bytes);
}
