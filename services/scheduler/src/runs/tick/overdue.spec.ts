import { describe, expect, it } from '@jest/globals';
import { decideOverdue } from './overdue.js';

const now = new Date('2026-11-24T12:00:00Z');
const minutesAgo = (...minutes: number[]) => minutes.map((m) => ({ id: `${m}`, dueAt: new Date(now.getTime() - m * 60_000) }));
const decide = (ages: number[], situation: Partial<Parameters<typeof decideOverdue>[1]> = {}) => {
  const { decisions, catchUp } = decideOverdue(minutesAgo(...ages), {
    now,
    missedAfterMs: 300_000,
    catchUp: 'run_once',
    busy: false,
    ...situation,
  });
  return [decisions.map((decision) => `${decision.id}:${decision.becomes}`), catchUp];
};

describe('overdue runs', () => {
  it('start when they are on time', () => expect(decide([0])).toEqual([['0:due'], false]));
  it('are missed when nothing started them, and caught up once', () =>
    expect(decide([600, 60, 6])).toEqual([['600:missed', '60:missed', '6:missed'], true]));
  it('are not caught up when the plan skips', () => expect(decide([600], { catchUp: 'skip' })).toEqual([['600:missed'], false]));
  it('need no catching up when another one starts now', () => expect(decide([600, 1])).toEqual([['600:missed', '1:due'], false]));
  it('make place for the latest', () => expect(decide([3, 2, 1])).toEqual([['3:missed', '2:missed', '1:due'], false]));
  it('do not pile up behind a run that still goes on', () =>
    expect(decide([60, 1], { busy: true })).toEqual([['60:missed', '1:missed'], false]));
});
