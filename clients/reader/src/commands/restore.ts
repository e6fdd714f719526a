import type { Manifest } from '../format/manifest.js';
import { ObjectReader } from '../object-reader.js';
import { bytesText, tell } from '../output.js';
import type { Repository } from '../repository.js';
import { restoreObjectFiles } from '../restore/object-files.js';
import { TargetFolder } from '../restore/target-folder.js';

export interface RestoreOrder {
  to: string;
  objects: boolean;
  keepGoing: boolean;
}

/** False where damaged objects were left out. */
export async function restoreSnapshot(repository: Repository, manifest: Manifest, order: RestoreOrder): Promise<boolean> {
  const target = await TargetFolder.prepare(order.to);
  const reader = await ObjectReader.open(repository);
  const failures = await restoreObjectFiles(reader, manifest, target, order.keepGoing);
  await target.finish();
  for (const { file, message } of reader.index.problems) tell(`warning: ${file}: ${message}`);
  for (const { key, error } of failures) tell(`LEFT OUT ${key}: ${error}`);
  const total = manifest.objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  tell(
    `Restored ${manifest.objects.length - failures.length} of ${manifest.objects.length} objects (${bytesText(total)}) of ${manifest.snapshot} to ${target.path}`,
  );
  return failures.length === 0;
}
