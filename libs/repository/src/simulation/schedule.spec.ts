import { describe, expect, it } from '@jest/globals';
import { KINDS, runSchedule } from './schedule.js';

describe('a schedule', () => {
  it('goes the same way again with the same seed', async () => {
    for (let seed = 0; seed < KINDS; seed++) expect(await runSchedule(seed)).toEqual(await runSchedule(seed));
  });

  // Each of them broke a promise once, and none of those that every run of the tests plays did.
  it.each([5_303_417, 7_019_008, 7_158_536, 8_019_982])('keeps its promises in seed %d', async (seed) => {
    expect((await runSchedule(seed)).violation).toBeUndefined();
  });
});
