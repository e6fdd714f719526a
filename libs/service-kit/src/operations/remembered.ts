/** What several gauges of one scrape ask for is asked once, and not again for a while; when it can't be had there is nothing to show. */
export function remembered<T>(load: () => Promise<T[]>, holdMs: number, now: () => number = Date.now): () => Promise<T[]> {
  let known: { until: number; items: Promise<T[]> } | undefined;
  return () => {
    if (!known || known.until <= now()) known = { until: now() + holdMs, items: load().catch(() => []) };
    return known.items;
  };
}
