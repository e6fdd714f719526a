import { describe, expect, it } from '@jest/globals';
import { mergeRanges } from './offline-logs.js';

describe('windows of a log', () => {
  it('join what touches and overlaps on one timeline, and keep what does not apart', () => {
    const at = (time: number) => ({
      firstCommitAt: `2026-01-01T00:00:0${time}.000000Z`,
      lastCommitAt: `2026-01-01T00:00:0${time}.500000Z`,
    });
    const merged = mergeRanges([
      { timeline: 2, start: '0/500', end: '0/600' },
      { timeline: 1, start: '0/300', end: '0/400', ...at(2) },
      { timeline: 1, start: '0/100', end: '0/300' },
      { timeline: 1, start: '0/380', end: '0/390', ...at(1) },
      { timeline: 1, start: '0/401', end: '0/500' },
      { timeline: 1, start: '1/0', end: '1/1', ...at(5) },
      { timeline: 1, start: '0/FFFFFFFF', end: '1/0', ...at(4) },
    ]);
    expect(merged).toEqual([
      { timeline: 1, start: '0/100', end: '0/400', firstCommitAt: at(1).firstCommitAt, lastCommitAt: at(2).lastCommitAt },
      { timeline: 1, start: '0/401', end: '0/500' },
      { timeline: 1, start: '0/FFFFFFFF', end: '1/1', firstCommitAt: at(4).firstCommitAt, lastCommitAt: at(5).lastCommitAt },
      { timeline: 2, start: '0/500', end: '0/600' },
    ]);
  });
});
