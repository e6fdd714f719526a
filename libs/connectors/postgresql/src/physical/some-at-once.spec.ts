import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { someAtOnce } from './some-at-once.js';

describe('work on some items at once', () => {
  const items = Array.from({ length: 20 }, (_, item) => item);

  it('does each of them once, and never more than so many at a time', async () => {
    const done: number[] = [];
    let [underWay, most] = [0, 0];
    await someAtOnce(items, 3, async (item) => {
      most = Math.max(most, ++underWay);
      await sleep(item % 3);
      underWay--;
      done.push(item);
    });
    expect(done.sort((a, b) => a - b)).toEqual(items);
    expect(most).toBe(3);
  });

  it('begins nothing more after a failure, and fails when the rest has ended', async () => {
    const [begun, ended]: number[][] = [[], []];
    const work = someAtOnce(items, 3, async (item) => {
      begun!.push(item);
      await sleep(item === 1 ? 1 : 30);
      if (item === 1) throw new Error('the disk is full');
      ended!.push(item);
    });
    await expect(work).rejects.toThrow('the disk is full');
    expect(begun).toEqual([0, 1, 2]);
    expect(ended).toEqual([0, 2]);
  });
});
