import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { snapshotName, trashName } from '../layout.js';
import { assertSnapshotId, openManifest } from '../snapshots/manifest-files.js';

/** Retention's step; collection still counts the snapshot as live until it is purged from trash/. */
export function moveToTrash(context: RepositoryContext, id: string): Promise<void> {
  return rename(context, id, snapshotName(id), trashName(id));
}

export function restoreFromTrash(context: RepositoryContext, id: string): Promise<void> {
  return rename(context, id, trashName(id), snapshotName(id));
}

/** At every moment the manifest stands at one place at least; repeating it after a crash completes it. */
async function rename(context: RepositoryContext, id: string, from: string, to: string): Promise<void> {
  assertSnapshotId(id);
  const { store } = context;
  let file: Buffer;
  try {
    file = await store.get(from);
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    if (await store.stat(to)) return;
    throw new RahatError('snapshot_not_found', `There is no snapshot ${id} in this repository.`);
  }
  openManifest(context, id, file);
  await store.put(to, file);
  await store.remove(from);
}
