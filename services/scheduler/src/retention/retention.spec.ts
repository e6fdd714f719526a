import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideRetention, type RetainedBackup, type RetentionPolicy } from './retention.js';

const policy: RetentionPolicy = { keepLast: 2, keepProven: 1, demanded: 'FULL' };
/** Newest first; each entry is one day older. */
const line = (...entries: Partial<RetainedBackup>[]): RetainedBackup[] =>
  entries.map((entry, index) => ({
    id: `b${index}`,
    consistentAt: new Date(Date.UTC(2026, 10, 24 - index)),
    state: 'succeeded',
    proof: 'FULL',
    inUse: false,
    ...entry,
  }));
const removed = (backups: RetainedBackup[], by = policy) =>
  decideRetention(backups, by)
    .filter((decision) => !decision.kept)
    .map((decision) => decision.id);

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

  const anyLine = fc
    .array(
      fc.record({
        state: fc.constantFrom('succeeded' as const, 'partial' as const),
        proof: fc.constantFrom('stored', 'BASIC', 'DATABASE', 'FULL', 'damaged') as fc.Arbitrary<RetainedBackup['proof']>,
        inUse: fc.boolean(),
      }),
      { maxLength: 30 },
    )
    .map((entries) => line(...entries));
  const anyPolicy = fc.record({
    keepLast: fc.integer({ min: 1, max: 8 }),
    keepProven: fc.integer({ min: 1, max: 5 }),
    demanded: fc.constantFrom('stored', 'BASIC', 'FULL') as fc.Arbitrary<RetentionPolicy['demanded']>,
  });
  const rank = { damaged: -1, stored: 0, BASIC: 1, DATABASE: 2, FULL: 3 };

  it('holds the floor, the count and what is in use, whatever the line', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => {
        const gone = new Set(removed(backups, by));
        const usable = backups.filter((backup) => backup.state === 'succeeded' && backup.proof !== 'damaged');
        const proven = usable.filter((backup) => rank[backup.proof] >= rank[by.demanded]);
        expect(proven.slice(0, by.keepProven).some((backup) => gone.has(backup.id))).toBe(false);
        expect(usable.slice(0, by.keepLast).some((backup) => gone.has(backup.id))).toBe(false);
        expect(backups.some((backup) => backup.inUse && gone.has(backup.id))).toBe(false);
        for (const backup of backups) {
          if (gone.has(backup.id))
            expect(proven.some((other) => other.consistentAt > backup.consistentAt && !gone.has(other.id))).toBe(true);
        }
      }),
    );
  });
  it('finds nothing more to remove when it is asked again', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => {
        const gone = new Set(removed(backups, by));
        expect(
          removed(
            backups.filter((backup) => !gone.has(backup.id)),
            by,
          ),
        ).toEqual([]);
      }),
    );
  });
  it('is not moved to remove more by a damaged backup', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => {
        const before = removed(backups, by);
        const damaged: RetainedBackup = {
          id: 'damaged',
          consistentAt: new Date('2026-12-01T00:00:00Z'),
          state: 'succeeded',
          proof: 'damaged',
          inUse: false,
        };
        expect(removed([damaged, ...backups], by)).toEqual(before);
      }),
    );
  });
});
