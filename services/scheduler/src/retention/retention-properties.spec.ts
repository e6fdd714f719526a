import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RetentionInput, type BackupType } from '@rahat/contracts';
import { rankOf, type Proof } from '../verification/proof.js';
import { basesOf } from './chains.js';
import { decideRetention, type LinePolicy, type RetainedBackup } from './retention.js';

interface Entry {
  type: BackupType;
  state: RetainedBackup['state'];
  proof: Proof;
  inUse: boolean;
  hold: string | null;
  sizeBytes: number;
  minutesLater: number;
  /** Whether the catalog knows what it is restored upon: by place in the line, by a recorded snapshot, or by one that is gone. */
  parent: 'unrecorded' | 'recorded' | 'gone';
}

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  type: fc.constantFrom<BackupType>('full', 'full', 'differential', 'incremental', 'log'),
  state: fc.constantFrom('succeeded', 'succeeded', 'succeeded', 'partial'),
  proof: fc.constantFrom<Proof>('stored', 'BASIC', 'DATABASE', 'FULL', 'FULL', 'damaged'),
  inUse: fc.nat({ max: 9 }).map((value) => value === 0),
  hold: fc.option(fc.constant('because'), { freq: 8 }),
  sizeBytes: fc.integer({ min: 0, max: 1000 }),
  // A missed week, and a clock that was set back, too.
  parent: fc.constantFrom('unrecorded', 'recorded', 'recorded', 'recorded', 'gone'),
  minutesLater: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.constantFrom(-600, 0, 10_080, 600_000)),
});
const small = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }));
const anyPolicy: fc.Arbitrary<LinePolicy> = fc.record({
  keepLast: fc.integer({ min: 1, max: 6 }),
  keepProven: fc.integer({ min: 1, max: 4 }),
  keepDays: fc.option(fc.integer({ min: 1, max: 60 })),
  keepHourly: small,
  keepDaily: small,
  keepWeekly: small,
  keepMonthly: small,
  keepYearly: small,
  maxBytes: fc.option(fc.integer({ min: 1, max: 8000 })),
  demanded: fc.constantFrom<Proof>('stored', 'BASIC', 'FULL'),
  timeZone: fc.constantFrom('UTC', 'Europe/Istanbul', 'America/St_Johns', 'Australia/Lord_Howe'),
});

/** What a server took the backup upon: the one before it, or the full one before it, whatever clocks say. */
function snapshotBelow(entries: readonly Entry[], index: number): string | undefined {
  if (entries[index]!.type !== 'differential') return index > 0 ? `s${index - 1}` : undefined;
  const full = entries.findLastIndex(({ type }, at) => at < index && type === 'full');
  return full < 0 ? undefined : `s${full}`;
}

function lineOf(entries: readonly (Entry & Partial<Pick<RetainedBackup, 'trashed'>>)[]): RetainedBackup[] {
  let minutes = 0;
  const dated = entries.map(({ minutesLater, parent, ...entry }, index) => {
    minutes += minutesLater;
    return {
      trashed: false,
      ...entry,
      id: `b${String(index).padStart(3, '0')}`,
      snapshot: `s${index}`,
      parent: parent === 'gone' ? 'gone' : parent === 'recorded' ? snapshotBelow(entries, index) : undefined,
      consistentAt: new Date(Date.UTC(2026, 0, 1) + minutes * 60_000),
    };
  });
  const bases = basesOf(dated);
  return dated.map((backup) => ({ ...backup, base: bases.get(backup.id)! }));
}

const newestFirst = (backups: readonly RetainedBackup[]) =>
  [...backups].sort((a, b) => b.consistentAt.getTime() - a.consistentAt.getTime() || (a.id < b.id ? 1 : -1));

/** Reckoned anew, in the simplest way: whole, and so is all that it is restored upon. */
function usable(backups: readonly RetainedBackup[], backup: RetainedBackup, above: readonly RetainedBackup[] = []): boolean {
  if (backup.trashed || backup.state !== 'succeeded' || backup.proof === 'damaged') return false;
  if (backup.base === null) return true;
  const base = backups.find(({ id }) => id === backup.base);
  return base !== undefined && base !== backup && !above.includes(base) && usable(backups, base, [...above, backup]);
}
const provenOf = (backups: readonly RetainedBackup[], { demanded }: LinePolicy) =>
  newestFirst(backups).filter((backup) => usable(backups, backup) && rankOf(backup.proof) >= rankOf(demanded));
const dropped = (backups: readonly RetainedBackup[], by: LinePolicy) =>
  new Set(decideRetention(backups, by).flatMap(({ id, verdict }) => (verdict === 'dropped' ? [id] : [])));

/** All that retention promises about one of its decisions. */
function expectSafe(backups: readonly RetainedBackup[], by: LinePolicy, gone: ReadonlySet<string>): void {
  const stays = backups.filter(({ id, trashed }) => !trashed && !gone.has(id));
  const proven = provenOf(backups, by);
  expect(proven.slice(0, by.keepProven).filter(({ id }) => gone.has(id))).toEqual([]);
  expect(stays.filter(({ base }) => base !== null && gone.has(base))).toEqual([]);
  expect(backups.filter(({ id, inUse, hold }) => (inUse || hold !== null) && gone.has(id))).toEqual([]);
  for (const backup of backups)
    if (gone.has(backup.id)) expect(proven.some(({ id, consistentAt }) => consistentAt >= backup.consistentAt && !gone.has(id))).toBe(true);
  if (by.maxBytes === null) {
    const whole = newestFirst(backups).filter((backup) => usable(backups, backup));
    expect(whole.slice(0, by.keepLast).filter(({ id }) => gone.has(id))).toEqual([]);
  }
}

describe('retention, whatever the line and the policy', () => {
  const anyLine = fc.array(anyEntry, { maxLength: 40 }).map(lineOf);

  it('holds the floor, chains, holds, the count and what is in use', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => expectSafe(backups, by, dropped(backups, by))),
      { numRuns: 500 },
    );
  });
  it('finds nothing more to remove when it is asked again', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => {
        const gone = dropped(backups, by);
        const after = backups.map((backup) => ({ ...backup, trashed: gone.has(backup.id) }));
        expect([...dropped(after, by)]).toEqual([]);
        expect([
          ...dropped(
            backups.filter(({ id }) => !gone.has(id)),
            by,
          ),
        ]).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
  it('does not depend on the order in which the backups come', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => {
        expect(decideRetention([...backups].reverse(), by)).toEqual(decideRetention(backups, by));
      }),
    );
  });
  it('is not moved to remove more by a damaged backup', () => {
    fc.assert(
      fc.property(anyLine, anyPolicy, (backups, by) => {
        const newest = new Date('2100-01-01T00:00:00Z');
        const damaged = { ...lineOf([{ ...EMPTY, proof: 'damaged' }])[0]!, id: 'damaged', consistentAt: newest };
        expect([...dropped([damaged, ...backups], by)].sort()).toEqual([...dropped(backups, by)].sort());
      }),
    );
  });
});

const EMPTY: Entry = {
  type: 'full',
  state: 'succeeded',
  proof: 'stored',
  inUse: false,
  hold: null,
  sizeBytes: 10,
  minutesLater: 1440,
  parent: 'unrecorded',
};

describe('a history of backups, failures, proofs, policy edits, holds and undos', () => {
  type Step =
    | { do: 'backup'; entry: Entry }
    | { do: 'prove'; index: number; proof: Proof }
    | { do: 'hold' | 'release' | 'undo'; index: number }
    | { do: 'edit'; policy: LinePolicy };
  const index = fc.nat({ max: 100 });
  const anyStep: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('backup' as const), entry: anyEntry }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('prove' as const), index, proof: fc.constantFrom<Proof>('BASIC', 'FULL', 'damaged') }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('hold' as const, 'release' as const, 'undo' as const), index }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('edit' as const), policy: anyPolicy }) },
  );

  it('never loses one of the last N proven backups, and never breaks a chain', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 20, maxLength: 60 }), (steps) => {
        let policy: LinePolicy = { ...RetentionInput.parse({}), demanded: 'FULL', timeZone: 'UTC' };
        const history: (Entry & { trashed: boolean })[] = [];
        for (const step of steps) {
          const chosen = 'index' in step && history.length > 0 ? history[step.index % history.length]! : undefined;
          if (step.do === 'backup') history.push({ ...step.entry, trashed: false });
          else if (step.do === 'edit') policy = step.policy;
          else if (chosen && step.do === 'prove') chosen.proof = step.proof;
          else if (chosen && step.do === 'hold' && !chosen.trashed) chosen.hold = 'because';
          else if (chosen && step.do === 'release') chosen.hold = null;
          else if (chosen && step.do === 'undo') bringBack(history, history.indexOf(chosen));
          const backups = lineOf(history);
          const gone = dropped(backups, policy);
          expectSafe(backups, policy, gone);
          for (const backup of backups) if (gone.has(backup.id)) history[Number(backup.id.slice(1))]!.trashed = true;
        }
      }),
      { numRuns: 300 },
    );
  });

  /** With all that it is restored upon, as the service does. */
  function bringBack(history: (Entry & { trashed: boolean })[], index: number): void {
    const backups = lineOf(history);
    const below = new Set<string>();
    for (let id: string | null = backups[index]!.id; id !== null && !below.has(id);) {
      below.add(id);
      const found = backups.find((backup) => backup.id === id)!;
      history[Number(found.id.slice(1))]!.trashed = false;
      id = found.base;
    }
  }
});
