import type { RepositoryContext } from './context.js';

/** On a storage whose listings lag: what was put or removed before is listed as such afterwards. */
export async function untilListed({ store, clock, protocol }: RepositoryContext): Promise<void> {
  const { listLagMs } = store.capabilities;
  if (listLagMs > 0 && protocol.waitForListings) await new Promise<void>((resolve) => clock.after(listLagMs, resolve));
}
