import { examineRepository } from '../check/check.js';
import type { RepositoryContext } from '../context.js';
import { untilListed } from '../listing-lag.js';
import { standingName } from '../manifests/manifest-ids.js';

/**
 * Takes a manifest away that was put when its lease had run out. It may stand in the place of another process' one, or another one
 * may have taken it for its own, and have reported its success: such a one is whole, and one that is whole does no harm.
 */
export async function takeBackUnlessWhole(context: RepositoryContext, id: string): Promise<void> {
  if (context.protocol.wholeManifestsStay && (await isWhole(context, id))) return;
  await context.store.remove(standingName(id));
}

/** Or not known to be otherwise. */
async function isWhole(context: RepositoryContext, id: string): Promise<boolean> {
  try {
    // Listings that lag don't show yet what the other process stored for it.
    await untilListed(context);
    return (await examineRepository(context, { level: 'structure', snapshots: [id] })).report.healthy;
  } catch {
    return true;
  }
}
