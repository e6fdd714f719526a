import { describe, expect, it } from '@jest/globals';
import { Moment } from './moment.js';

describe('a moment', () => {
  it.each([
    ['2026-03-01T12:00:00Z', '2026-03-01T12:00:00.000Z'],
    ['2026-03-01T12:00:00+03:00', '2026-03-01T09:00:00.000Z'],
    ['0468-04-18T21:24:08.13136-17:37', '0468-04-19T15:01:08.131Z'],
  ])('%s is told in UTC', (text, expected) => expect(Moment.parse(text)).toBe(expected));

  it.each(['0000-06-01T00:00:00Z', '0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59-01:00', '2026-02-30T00:00:00Z', 'today'])(
    'is not %s',
    (text) => expect(Moment.safeParse(text).success).toBe(false),
  );
});
