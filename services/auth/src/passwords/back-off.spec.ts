import { describe, expect, it } from '@jest/globals';
import { BACK_OFF, backOffSeconds } from './back-off.js';

describe('back-off after failed log-ins', () => {
  it('costs nothing at first, doubles, and stays bounded', () => {
    const waits = [1, 4, 5, 6, 7, 8, 12, 13, 50, 10_000].map((failures) => backOffSeconds(BACK_OFF.account, failures));
    expect(waits).toEqual([0, 0, 5, 10, 20, 40, 640, 900, 900, 900]);
  });
});
