import { describe, expect, it } from '@jest/globals';
import { nextPlace, timelineAt } from './follow-position.js';
import { parseTimelineHistory } from './timeline-history.js';

const way = parseTimelineHistory(3, Buffer.from('# of two promotions\n1\t0/100\treason\n\n2\t0/300\treason\n'));
const place = (timeline: number, position: bigint) => ({ timeline, position });

describe('where a follower goes on', () => {
  it.each([
    ['on the same timeline', place(3, 0x400n), 0x500n, false, { state: 'go on', at: place(3, 0x400n) }],
    ['on a former timeline, up to its end', place(1, 0x80n), 0x500n, false, { state: 'go on', at: place(1, 0x80n) }],
    ['exactly at a fork', place(1, 0x100n), 0x500n, false, { state: 'go on', at: place(1, 0x100n) }],
    [
      'at the fork, when it has more of the former timeline',
      place(2, 0x380n),
      0x500n,
      false,
      { state: 'go on', at: place(3, 0x300n), abandoned: place(2, 0x300n) },
    ],
    ['not at all on a stranger’s timeline', place(4, 0x400n), 0x500n, false, { state: 'gap', gap: 'timeline_diverged' }],
    ['later, on a standby that has not followed yet', place(4, 0x400n), 0x500n, true, { state: 'wait' }],
    ['later, on a standby that is behind', place(3, 0x600n), 0x500n, true, { state: 'wait' }],
    ['not at all on a primary that was set back', place(3, 0x600n), 0x500n, false, { state: 'gap', gap: 'timeline_diverged' }],
  ])('%s', (_name, committed, written, standby, expected) => {
    expect(nextPlace(committed, way, written, standby)).toMatchObject(expected);
  });

  it('knows the timeline of a position', () => {
    expect([0x0n, 0xffn, 0x100n, 0x2ffn, 0x300n, 0xfffn].map((position) => timelineAt(way, position))).toEqual([1, 1, 2, 2, 3, 3]);
  });

  it('refuses a history that cannot be', () => {
    expect(() => parseTimelineHistory(2, Buffer.from('2\t0/100\treason\n'))).toThrow('names a later one');
    expect(() => parseTimelineHistory(2, Buffer.from('one\n'))).toThrow('cannot be understood');
  });
});
