import { describe, expect, it } from '@jest/globals';
import { KINDS, runSchedule } from './schedule.js';

describe('a schedule', () => {
  it('goes the same way again with the same seed', async () => {
    for (let seed = 0; seed < KINDS; seed++) expect(await runSchedule(seed)).toEqual(await runSchedule(seed));
  });
});
