import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { snapshotName, SNAPSHOTS_PREFIX } from '../layout.js';
import { sealingOf } from '../sealed-files/sealing.js';
import { Manifest } from './manifest.js';

/** Ids become file names and part of what authenticates them. */
const SNAPSHOT_ID = /^[a-z0-9][a-z0-9._-]{0,149}$/;

export function assertSnapshotId(id: string): void {
  if (!SNAPSHOT_ID.test(id))
    throw new RahatError('invalid_input', `${JSON.stringify(id)} is not a snapshot id (lower-case letters, digits, ".", "_", "-").`);
}

export function sealManifest(context: RepositoryContext, manifest: Manifest): Buffer {
  return sealingOf(context).seal('manifest', sealedName(manifest.snapshot), Buffer.from(JSON.stringify(manifest)));
}

/** `id` as the file is named: a manifest that says another one, or another repository, is refused. */
export function openManifest(context: RepositoryContext, id: string, file: Buffer): Manifest {
  const payload = sealingOf(context).open('manifest', sealedName(id), file);
  const json = JSON.parse(payload.toString('utf8')) as { format?: unknown };
  if (json.format !== 1) throw new RahatError('repository_unsupported', `Snapshot ${id} has the unknown format ${String(json.format)}.`);
  const parsed = Manifest.safeParse(json);
  if (!parsed.success)
    throw new RahatError('repository_damaged', `The manifest of snapshot ${id} cannot be understood.`, { cause: parsed.error });
  if (parsed.data.snapshot !== id || parsed.data.repository !== context.repositoryId.toString('hex')) {
    throw new RahatError('repository_damaged', `The manifest of snapshot ${id} names another snapshot or repository.`);
  }
  return parsed.data;
}

export async function readManifest(context: RepositoryContext, id: string): Promise<Manifest> {
  return openManifest(context, id, await context.store.get(snapshotName(id)));
}

/** The name by which it is sealed stays the same in trash/, so that going there and back is a plain rename. */
function sealedName(id: string): string {
  return `${SNAPSHOTS_PREFIX}${id}`;
}
