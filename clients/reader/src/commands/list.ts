import type { Manifest } from '../format/manifest.js';
import { bytesText, writeJson, writeTable } from '../output.js';
import { messageOf } from '../reader-error.js';
import type { Repository, ManifestFile } from '../repository.js';

type Listed = ManifestFile & ({ manifest: Manifest } | { error: string });

/** Prints every snapshot and log, oldest first, those in the trash too. False where one can't be read. */
export async function listSnapshots(repository: Repository, json: boolean): Promise<boolean> {
  const listed: Listed[] = [];
  for (const file of await repository.manifestFiles()) {
    const manifest = await repository.manifest(file).catch((error: unknown) => ({ error: messageOf(error) }));
    listed.push('error' in manifest ? { ...file, ...manifest } : { ...file, manifest });
  }
  const age = (one: Listed) => ('error' in one ? '' : one.manifest.createdAt);
  listed.sort((left, right) => age(left).localeCompare(age(right)));
  if (json) await writeJson(listed.map(described));
  else await writeTable([['SNAPSHOT', 'CREATED', 'SERVER', 'DATABASE', 'METHOD', 'OBJECTS', 'SIZE', ''], ...listed.map(row)]);
  return listed.every((one) => !('error' in one));
}

function described({ id, inTrash, ...one }: Listed) {
  if ('error' in one) return { id, inTrash, error: one.error };
  const { createdAt, serverName, databaseName, method, objects } = one.manifest;
  const sizeBytes = objects.reduce((sum, object) => sum + object.sizeBytes, 0);
  return { id, inTrash, createdAt, server: serverName, database: databaseName, method, sizeBytes, objects: objects.length };
}

function row(one: Listed): string[] {
  const about = described(one);
  const trash = about.inTrash ? 'in the trash' : '';
  if ('error' in about) return [about.id, '', '', '', '', '', '', `DAMAGED: ${about.error} ${trash}`];
  const { id, createdAt, server, database, method, objects, sizeBytes } = about;
  return [id, createdAt, server, database ?? '(whole server)', method, String(objects), bytesText(sizeBytes), trash];
}
