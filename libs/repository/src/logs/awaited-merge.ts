import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { trashName } from '../layout.js';
import { listMovingManifests } from '../manifests/listed-manifests.js';
import { called } from '../manifests/manifest-ids.js';
import { logPlace, streamPrefix } from './log-names.js';

/**
 * Before a log is brought back: a collection that has merged it removes it no later than half of a lease's life after it saw the merged
 * one stand, which retention may have taken away meanwhile. So as long as one that covers it is young, wherever it lies, it is refused.
 */
export async function assertNotBeingMerged(context: RepositoryContext, id: string, nowMs: number): Promise<void> {
  const { stream, first, last } = logPlace(id);
  const prefix = streamPrefix(stream);
  for await (const other of listMovingManifests(context, { standing: [prefix], trash: trashName(prefix) })) {
    const place = logPlace(other.id);
    const doneAtMs = other.storedAt.getTime() + context.leaseTtlMs;
    if (other.id === id || place.first > first || place.last < last || nowMs > doneAtMs) continue;
    throw new RahatError('conflict', `The ${called(id)} is just becoming part of ${called(other.id)}; it cannot be brought back now.`, {
      hint: `Repeat the undo after ${new Date(doneAtMs).toISOString()}.`,
      retryable: true,
    });
  }
}
