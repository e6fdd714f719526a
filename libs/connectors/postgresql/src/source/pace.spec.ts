import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Pace } from './pace.js';

const { signal } = new AbortController();

async function* pieces(count: number, bytes: number): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < count; piece++) yield Buffer.alloc(bytes);
}

async function timeOf(stream: AsyncIterable<Buffer>): Promise<number> {
  const start = performance.now();
  for await (const _piece of stream);
  return performance.now() - start;
}

describe('a pace', () => {
  it('lets everything through without a limit, and counts it', async () => {
    const pace = new Pace();
    expect(await timeOf(pace.through(pieces(1_000, 100_000), signal))).toBeLessThan(1_000);
    expect(pace.bytes).toBe(100_000_000);
  });

  it('keeps to its limit on average', async () => {
    // 1 MB at 2 MB/s.
    const took = await timeOf(new Pace(2_000_000).through(pieces(100, 10_000), signal));
    expect(took).toBeGreaterThan(400);
    expect(took).toBeLessThan(1_500);
  });

  it('saves nothing up while the source is slow', async () => {
    const pace = new Pace(1_000_000);
    async function* late(): AsyncGenerator<Buffer> {
      await delay(500);
      yield* pieces(50, 10_000);
    }
    expect(await timeOf(pace.through(late(), signal))).toBeGreaterThan(800);
  });

  it('lets nothing through while it is held, and goes on at once when it is not', async () => {
    const pace = new Pace(0);
    let passed = 0;
    const reading = (async () => {
      for await (const _piece of pace.through(pieces(3, 1_000), signal)) passed++;
    })();
    await delay(100);
    expect(passed).toBe(0);
    pace.change(undefined);
    await reading;
    expect(passed).toBe(3);
  });

  it('wakes whoever waits at a slow limit when it is raised', async () => {
    const pace = new Pace(10);
    const reading = timeOf(pace.through(pieces(10, 1_000), signal));
    await delay(50);
    pace.change(10_000_000);
    expect(await reading).toBeLessThan(1_000);
  });

  it('ends with the reason of an abort, also while it is held', async () => {
    const abort = new AbortController();
    const reading = timeOf(new Pace(0).through(pieces(1, 10), abort.signal));
    const reason = new Error('cancelled');
    abort.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });
});
