import { RahatError } from '@rahat/contracts';
import type { Manifest, ReadSession, Repository, WritableRepository } from '@rahat/repository';
import { type Flow, SnapshotSource } from './artifacts.js';

/** Each link costs a restore time, and its manifest memory; the scheduler begins a new chain long before. */
const MOST_LINKS = 1_000;

/** What a snapshot is restored upon, down to the full one; empty where it stands alone. Throws `snapshot_not_found` where one is gone. */
export async function parentsOf(repository: WritableRepository, manifest: Manifest): Promise<Manifest[]> {
  const parents: Manifest[] = [];
  for (let child = manifest; child.parent !== undefined; child = parents.at(-1)!) {
    if (parents.length === MOST_LINKS)
      throw new RahatError('repository_damaged', `Snapshot ${manifest.snapshot} rests upon more than ${MOST_LINKS} others`);
    parents.push(await parentOf(repository, child, child.parent));
  }
  return parents;
}

/** A committed snapshot as a connector sees it, with all that it is restored upon. */
export async function openChain(
  repository: Repository,
  manifest: Manifest,
  session: ReadSession,
  options: Flow & { verifyChunks: boolean },
): Promise<SnapshotSource> {
  const parents = await parentsOf(repository, manifest);
  const below = parents.reduceRight<SnapshotSource | undefined>(
    (parent, link) => new SnapshotSource(link, session, options, parent),
    undefined,
  );
  return new SnapshotSource(manifest, session, options, below);
}

async function parentOf(repository: WritableRepository, child: Manifest, id: string): Promise<Manifest> {
  try {
    return await repository.findSnapshot(id);
  } catch (error) {
    const { code, message, retryable } = RahatError.from(error);
    throw new RahatError(code, `Snapshot ${child.snapshot} is restored upon ${id}, which can't be had: ${message}`, {
      cause: error,
      retryable,
      hint: 'If it lies in the trash, bring it back. Else restore an older backup, and take a full one now.',
    });
  }
}
