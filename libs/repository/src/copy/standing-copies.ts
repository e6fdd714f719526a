import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { readManifest } from '../snapshots/manifest-files.js';
import type { Manifest } from '../snapshots/manifest.js';
import { manifestConflict } from '../writing/publish-manifest.js';

/**
 * Whether the target has this snapshot. Told by what both say of each object's plaintext, because recipes differ where the
 * snapshot was cut anew. Another content under the same id is a `conflict`.
 */
export async function standsInTarget(target: RepositoryContext, manifest: Manifest): Promise<boolean> {
  let standing: Manifest;
  try {
    standing = await readManifest(target, manifest.snapshot);
  } catch (error) {
    if (error instanceof RahatError && error.code === 'blob_not_found') return false;
    throw error;
  }
  if (plaintextOf(standing) !== plaintextOf(manifest)) throw manifestConflict(manifest.snapshot);
  return true;
}

function plaintextOf({ run, attempt, objects }: Manifest): string {
  return JSON.stringify([run, attempt, objects.map(({ key, sizeBytes, sha256 }) => [key, sizeBytes, sha256])]);
}
