import { describe, expect, it } from '@jest/globals';
import type { BackupType } from '@rahat/contracts';
import { decideOverdue, type Situation } from './overdue.js';

const now = new Date('2026-11-24T12:00:00Z');
/** `5` = a full run that was due five minutes ago, `5 incremental` one of another type. */
const runs = (...ages: (number | string)[]) =>
  ages.map((age) => {
    const [minutes, type = 'full'] = String(age).split(' ') as [string, BackupType?];
    return { id: String(age), type, dueAt: new Date(now.getTime() - Number(minutes) * 60_000) };
  });
const QUIET: Situation = { now, missedAfterMs: 300_000, catchUp: 'run_once', busy: false, leftOut: () => undefined };
const decide = (ages: (number | string)[], situation: Partial<Situation> = {}) => {
  const { decisions, catchUp } = decideOverdue(runs(...ages), { ...QUIET, ...situation });
  return [decisions.map((decision) => `${decision.id}:${decision.becomes}`), catchUp];
};

describe('overdue runs', () => {
  it('start when they are on time', () => expect(decide([0])).toEqual([['0:due'], undefined]));
  it('are missed when nothing started them, and caught up once', () =>
    expect(decide([600, 60, 6])).toEqual([['600:missed', '60:missed', '6:missed'], 'full']));
  it('are caught up by the strongest of them', () =>
    expect(decide(['60 incremental', '30 full', '20 differential'])).toEqual([
      ['60 incremental:missed', '30 full:missed', '20 differential:missed'],
      'full',
    ]));
  it('are not caught up when the plan skips', () => expect(decide([600], { catchUp: 'skip' })).toEqual([['600:missed'], undefined]));
  it('need no catching up when another one starts now', () => expect(decide([600, 1])).toEqual([['600:missed', '1:due'], undefined]));
  it('make place for the latest', () => expect(decide([3, 2, 1])).toEqual([['3:skipped', '2:skipped', '1:due'], undefined]));
  it('make place for a stronger one, which holds what they would have', () =>
    expect(decide(['2 full', '1 incremental', '1 differential'])).toEqual([
      ['2 full:due', '1 incremental:skipped', '1 differential:skipped'],
      undefined,
    ]));
  it.each([
    // Verifications have no type, and all come as the same.
    [['2', '1'], 'Another run that was due as well took its place.'],
    [['2 full', '1 incremental'], 'A full run that was due as well took its place.'],
  ])('say of %j what took the place of one', (ages, reason) => {
    expect(decideOverdue(runs(...ages), QUIET).decisions).toContainEqual(expect.objectContaining({ becomes: 'skipped', reason }));
  });
  it('do not pile up behind a run that still goes on', () =>
    expect(decide([60, 1], { busy: true })).toEqual([['60:missed', '1:missed'], undefined]));
  it('are told as skipped in a pause, however late', () =>
    expect(decide([600, 1], { paused: 'The plan was paused.' })).toEqual([['600:skipped', '1:skipped'], undefined]));
  it('are left out inside of a blackout window, and not caught up', () =>
    expect(decide([600, 1], { leftOut: (at) => (at < new Date(now.getTime() - 3_600_000) ? 'window' : undefined) })).toEqual([
      ['600:skipped', '1:due'],
      undefined,
    ]));
});
