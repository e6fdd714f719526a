import type { Manifest } from '../format/manifest.js';
import { ObjectReader } from '../object-reader.js';
import { bytesText, tell } from '../output.js';
import type { Repository } from '../repository.js';
import { restoreObjectFiles, type WrittenObject } from '../restore/object-files.js';
import { isPostgresqlDump, restorePostgresqlDump } from '../restore/postgresql-dump.js';
import { isPostgresqlFolder, restorePostgresqlFolder } from '../restore/postgresql-folder.js';
import { TargetFolder } from '../restore/target-folder.js';
import { describeObject } from './show.js';

/** Into the form that stock tools take, where there is one; else every object as a file. False where damaged objects were left out. */
export async function restoreSnapshot(
  repository: Repository,
  manifest: Manifest,
  order: Record<'objects' | 'keepGoing', boolean> & { to: string },
): Promise<boolean> {
  const target = await TargetFolder.prepare(order.to);
  const reader = await ObjectReader.open(repository);
  const restore = order.objects ? undefined : wayBack(manifest);
  const next = await restore?.(reader, manifest, target);
  const written = restore
    ? manifest.objects.map((object) => ({ object }))
    : await restoreObjectFiles(reader, manifest, target, order.keepGoing);
  const objects = written.map(({ object, ...outcome }: WrittenObject) => ({ ...describeObject(object), ...outcome }));
  await target.write(target.place('manifest.json'), [`${JSON.stringify({ ...manifest.facts, objects }, null, 2)}\n`]);
  if (next !== undefined) await target.write(target.place('RESTORE.txt'), [`${next}\n`]);
  await target.finish();
  const leftOut = objects.filter(({ error }) => error !== undefined);
  for (const { message } of reader.index.problems) tell(`warning: ${message}`);
  for (const { key, error } of leftOut) tell(`LEFT OUT ${key}: ${error}`);
  const restored = objects.filter(({ error }) => error === undefined);
  const sizeBytes = restored.reduce((sum, object) => sum + object.sizeBytes, 0);
  tell(`Restored ${restored.length} of ${objects.length} objects (${bytesText(sizeBytes)}) of ${manifest.snapshot} to ${target.path}`);
  if (next !== undefined) process.stderr.write(`Next, there (also in RESTORE.txt):\n${next}\n`);
  return leftOut.length === 0;
}

function wayBack(manifest: Manifest) {
  if (isPostgresqlDump(manifest)) return restorePostgresqlDump;
  return isPostgresqlFolder(manifest) ? restorePostgresqlFolder : undefined;
}
