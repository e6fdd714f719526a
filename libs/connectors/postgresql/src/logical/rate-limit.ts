import { setTimeout as delay } from 'node:timers/promises';

/** Lets bytes through no faster than the limit on average; the source waits with us. */
export async function* limitRate(
  stream: AsyncIterable<Buffer>,
  bytesPerSecond: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (bytesPerSecond === undefined) {
    yield* stream;
    return;
  }
  const start = performance.now();
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    const aheadMs = (bytes / bytesPerSecond) * 1000 - (performance.now() - start);
    if (aheadMs > 5) await delay(aheadMs, undefined, { signal });
    yield chunk;
  }
}
