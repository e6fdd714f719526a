import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { listManifestFiles } from '../manifests/listed-manifests.js';
import { moveToTrash } from '../trash/trash.js';
import { checkedLogId, logPlace, streamPrefix } from './log-names.js';

/**
 * Takes all to the trash that ends at this position or before it. By what stands now, because a collection may have merged what was
 * committed under other names; a merged one goes when its youngest piece may. Gives the names of the files.
 */
export async function removeLogsBefore(
  context: RepositoryContext,
  { stream, position }: { stream: string; position: string },
  signal?: AbortSignal,
): Promise<string[]> {
  checkedLogId(stream, { first: position, last: position });
  const removed: string[] = [];
  for await (const { id } of listManifestFiles(context.store, [streamPrefix(stream)])) {
    throwIfCancelled(signal);
    if (logPlace(id).last > position) continue;
    await moveToTrash(context, id);
    removed.push(id);
  }
  return removed;
}
