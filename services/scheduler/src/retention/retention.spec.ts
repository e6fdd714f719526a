import { describe, expect, it } from '@jest/globals';
import { RetentionInput } from '@rahat/contracts';
import { decideRetention, type LinePolicy, type RetainedBackup } from './retention.js';

const policy: LinePolicy = { ...RetentionInput.parse({ keepLast: 2, keepProven: 1 }), demanded: 'FULL', timeZone: 'UTC' };
const keeping = (change: Partial<LinePolicy>): LinePolicy => ({ ...policy, keepLast: 1, ...change });

/** Newest first; each entry is one day older. */
const line = (...entries: Partial<RetainedBackup>[]): RetainedBackup[] =>
  entries.map((entry, index) => ({
    id: `b${index}`,
    consistentAt: new Date(Date.UTC(2026, 10, 24 - index)),
    state: 'succeeded',
    proof: 'FULL',
    inUse: false,
    base: null,
    sizeBytes: 100,
    hold: null,
    trashed: false,
    ...entry,
  }));
const at = (...times: string[]) => line(...times.map((time) => ({ consistentAt: new Date(time) })));
const removed = (backups: RetainedBackup[], by = policy) =>
  decideRetention(backups, by)
    .filter(({ verdict }) => verdict === 'dropped')
    .map(({ id }) => id);
const kept = (backups: RetainedBackup[], by = policy) =>
  decideRetention(backups, by)
    .filter(({ verdict }) => verdict === 'kept')
    .map(({ id }) => id);
const reasons = (backups: RetainedBackup[], by = policy) => decideRetention(backups, by).map(({ reason }) => reason);

describe('retention', () => {
  it('removes what is older than the last N', () => {
    expect(removed(line({}, {}, {}, {}))).toEqual(['b2', 'b3']);
  });
  it('keeps the last proven backup when every newer one failed to be proven', () => {
    expect(removed(line({ proof: 'stored' }, { proof: 'stored' }, { proof: 'stored' }, {}, {}))).toEqual(['b4']);
  });
  it('counts neither damaged nor partial backups', () => {
    expect(removed(line({ proof: 'damaged' }, { state: 'partial' }, {}, {}))).toEqual([]);
    expect(removed(line({ proof: 'damaged' }, {}, {}, {}))).toEqual(['b3']);
  });
  it('removes nothing while no newer backup is proven', () => {
    expect(removed(line({ proof: 'BASIC' }, { proof: 'BASIC' }, { proof: 'BASIC' }, { proof: 'BASIC' }))).toEqual([]);
  });
  it('takes a lower rung where the plan asks for no more', () => {
    expect(removed(line({ proof: 'stored' }, { proof: 'stored' }, { proof: 'stored' }), { ...policy, demanded: 'stored' })).toEqual(['b2']);
  });
  it('keeps a backup that is being read', () => {
    expect(removed(line({}, {}, { inUse: true }, {}))).toEqual(['b3']);
  });
  it('is not shaken by a gap in time', () => {
    const backups = line({}, {}, {});
    backups[0]!.consistentAt = new Date('2027-11-24T00:00:00Z');
    expect(removed(backups)).toEqual(['b2']);
  });
  it('keeps what is held, and says why', () => {
    const backups = line({}, {}, {}, { hold: 'audit of 2026' });
    expect(removed(backups)).toEqual(['b2']);
    expect(reasons(backups).at(-1)).toBe('held: audit of 2026');
  });
  it('counts nothing that is in the trash', () => {
    const backups = line({ trashed: true }, {}, { trashed: true }, {}, {});
    expect(removed(backups)).toEqual(['b4']);
    expect(decideRetention(backups, policy)[0]).toEqual({ id: 'b0', verdict: 'trashed', reason: 'it is in the trash', due: false });
  });
});

describe('retention by age', () => {
  it('counts days from the newest whole backup, so that a time without backups takes none away', () => {
    const backups = at('2026-11-24T00:00Z', '2026-08-30T00:00Z', '2026-08-20T00:00Z', '2026-07-01T00:00Z');
    expect(kept(backups, keeping({ keepDays: 90 }))).toEqual(['b0', 'b1']);
    expect(kept(backups.slice(1), keeping({ keepDays: 90 }))).toEqual(['b1', 'b2', 'b3']);
  });
});

describe('retention by hours, days, weeks, months and years', () => {
  const weeks = Array.from({ length: 40 }, (_, index) => ({ consistentAt: new Date(Date.UTC(2026, 10, 24, 3) - index * 7 * 86_400_000) }));
  const days = Array.from({ length: 40 }, (_, index) => ({ consistentAt: new Date(Date.UTC(2026, 10, 24, 3) - index * 86_400_000) }));

  it('keeps the newest of each of the last periods that have one', () => {
    const backups = at('2026-11-24T20:00Z', '2026-11-24T08:00Z', '2026-11-20T20:00Z', '2026-11-20T08:00Z', '2026-11-02T08:00Z');
    expect(kept(backups, keeping({ keepDaily: 2 }))).toEqual(['b0', 'b2']);
    expect(reasons(backups, keeping({ keepDaily: 2 }))[2]).toBe('the backup of 2026-11-20, one of the last 2 days');
    expect(kept(backups, keeping({ keepHourly: 4 }))).toEqual(['b0', 'b1', 'b2', 'b3']);
  });
  it('adds months and years to the days', () => {
    const of = (backups: RetainedBackup[], by: LinePolicy) => kept(backups, by).map((id) => Number(id.slice(1)));
    expect(of(line(...days), keeping({ keepDaily: 7 }))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    // Sundays end the weeks; Tuesday the 24th is the newest.
    expect(of(line(...days), keeping({ keepWeekly: 4 }))).toEqual([0, 2, 9, 16]);
    expect(of(line(...days), keeping({ keepDaily: 2, keepMonthly: 2 }))).toEqual([0, 1, 24]);
    expect(of(line(...weeks), keeping({ keepYearly: 3 }))).toEqual([0]);
    expect(of(at('2026-02-01T00:00Z', '2025-12-31T00:00Z', '2025-01-01T00:00Z', '2024-02-29T00:00Z'), keeping({ keepYearly: 3 }))).toEqual([
      0, 1, 3,
    ]);
  });
  it('begins the days where the zone does', () => {
    const backups = at('2026-11-24T22:30Z', '2026-11-24T20:00Z', '2026-11-23T20:00Z');
    expect(kept(backups, keeping({ keepDaily: 2 }))).toEqual(['b0', 'b2']);
    expect(kept(backups, keeping({ keepDaily: 2, timeZone: 'Europe/Istanbul' }))).toEqual(['b0', 'b1']);
  });
  it('tells the two hours that a clock shows twice apart', () => {
    const backups = at('2026-10-25T01:30Z', '2026-10-25T00:30Z', '2026-10-24T23:30Z');
    expect(kept(backups, keeping({ keepHourly: 2, timeZone: 'Europe/Berlin' }))).toEqual(['b0', 'b1']);
  });
  it('chooses a proven backup before a newer one of the same period that is not', () => {
    const backups = line({}, {}, { proof: 'stored' }, {}, {}).map((backup, index) => ({
      ...backup,
      consistentAt: new Date(Date.UTC(2026, 10, 24 - (index >> 1), 23 - index)),
    }));
    expect(kept(backups, keeping({ keepDaily: 3 }))).toEqual(['b0', 'b3', 'b4']);
  });
});

describe('retention within a limit of size', () => {
  it('takes the oldest first, and never what the floor or a hold keeps', () => {
    expect(removed(line({}, {}, {}, {}), { ...policy, keepLast: 10, maxBytes: 250 })).toEqual(['b2', 'b3']);
    expect(removed(line({}, {}, {}, { hold: 'x' }), { ...policy, keepLast: 10, maxBytes: 250 })).toEqual(['b1', 'b2']);
    expect(removed(line({}, {}, {}, {}), { ...policy, keepLast: 10, keepProven: 3, maxBytes: 1 })).toEqual(['b3']);
    expect(reasons(line({}, {}), { ...policy, keepLast: 10, maxBytes: 1 })[1]).toMatch(/^the backups that go before it fill the limit/);
  });
});

describe('retention of chains', () => {
  it('keeps what a kept backup is restored upon', () => {
    const backups = line({ base: 'b1' }, { base: 'b3' }, { base: 'b3' }, {}, {});
    expect(kept(backups, keeping({}))).toEqual(['b0', 'b1', 'b3']);
    expect(reasons(backups, keeping({}))[3]).toBe('a kept backup is restored upon it');
  });
  it('counts no backup whose base is damaged or gone', () => {
    expect(kept(line({ base: 'b1' }, { proof: 'damaged' }, {}, {}), keeping({}))).toEqual(['b0', 'b1', 'b2']);
    expect(kept(line({ base: 'gone' }, {}, {}), keeping({}))).toEqual(['b0', 'b1']);
  });
  it('measures a backup with all that it needs', () => {
    const backups = line({}, { base: 'b3' }, {}, { sizeBytes: 1000 });
    expect(kept(backups, { ...policy, keepLast: 10, maxBytes: 1100 })).toEqual(['b0']);
    expect(kept(backups, { ...policy, keepLast: 10, maxBytes: 1200 })).toEqual(['b0', 'b1', 'b3']);
  });
});
