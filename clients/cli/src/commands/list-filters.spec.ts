import { describe, expect, it } from '@jest/globals';
import { pointInTime } from './list-filters.js';

const now = new Date('2026-11-27T12:00:00Z');

describe('a point in time', () => {
  it.each([
    ['7d', '2026-11-20T12:00:00.000Z'],
    ['90m', '2026-11-27T10:30:00.000Z'],
    ['2026-11-20', '2026-11-20T00:00:00.000Z'],
    ['2026-11-20T14:00:00+03:00', '2026-11-20T11:00:00.000Z'],
  ])('%s is %s', (text, time) => expect(pointInTime('--since', text, now)).toBe(time));

  it('that nobody understands is told', () =>
    expect(() => pointInTime('--since', 'yesterday-ish', now)).toThrow('"yesterday-ish" is no time for --since'));
});
