import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { snapshotName } from '../layout.js';
import { assertManifestId, isLogId } from '../manifests/manifest-ids.js';
import { openAs, sealAs } from '../manifests/sealed-manifest.js';
import { Manifest } from './manifest.js';

const OF_SNAPSHOTS = { schema: Manifest, ownId: (manifest: Manifest): string => manifest.snapshot };

export function assertSnapshotId(id: string): void {
  if (isLogId(id)) throw new RahatError('invalid_input', `${JSON.stringify(id)} is a log, not a snapshot.`);
  assertManifestId(id);
}

export function sealManifest(context: RepositoryContext, manifest: Manifest): Buffer {
  return sealAs(context, { type: 'manifest', id: manifest.snapshot }, manifest);
}

export function openManifest(context: RepositoryContext, id: string, file: Buffer): Manifest {
  return openAs(context, { type: 'manifest', id }, file, OF_SNAPSHOTS);
}

export async function readManifest(context: RepositoryContext, id: string): Promise<Manifest> {
  return openManifest(context, id, await context.store.get(snapshotName(id)));
}
