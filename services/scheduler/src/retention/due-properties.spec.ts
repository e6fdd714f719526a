import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RetentionInput } from '@rahat/contracts';
import { weighLine } from './brake.js';
import { decideRetention, type LinePolicy, type RetainedBackup } from './retention.js';

const DAY_MS = 86_400_000;
const policy = (change: Partial<LinePolicy>): LinePolicy => ({ ...RetentionInput.parse({}), demanded: 'FULL', timeZone: 'UTC', ...change });

/** A line of backups over time, with what the service remembers of each. */
class History {
  readonly backups: RetainedBackup[] = [];
  readonly dueSince = new Map<string, Date>();
  readonly gone: string[] = [];
  private atMs = Date.UTC(2026, 0, 1);

  backUp(afterMs: number, proven: boolean): void {
    this.atMs += afterMs;
    this.backups.push({
      id: `b${String(this.backups.length).padStart(4, '0')}`,
      consistentAt: new Date(this.atMs),
      state: 'succeeded',
      proof: proven ? 'FULL' : 'stored',
      inUse: false,
      base: null,
      sizeBytes: 1,
      hold: null,
      trashed: false,
    });
  }

  /** As the service does after each backup and each proof; gives what was let go, and whether that was held up. */
  look(by: LinePolicy): { letGo: string[]; of: number; isBraked: boolean } {
    const line = decideRetention(this.backups, by).map((decision) => ({
      decision,
      row: { due_since: this.dueSince.get(decision.id) ?? null },
    }));
    const { brake, settled } = weighLine(line, null);
    const letGo: string[] = [];
    for (const { decision } of settled) {
      if (decision.due && !this.dueSince.has(decision.id)) letGo.push(decision.id);
      if (decision.verdict === 'dropped') {
        this.backups.find(({ id }) => id === decision.id)!.trashed = true;
        this.gone.push(decision.id);
      }
      if (decision.due) this.dueSince.set(decision.id, new Date(0));
      else this.dueSince.delete(decision.id);
    }
    return { letGo, of: line.filter(({ decision }) => decision.verdict !== 'trashed').length, isBraked: brake !== null };
  }
}

describe('the brake', () => {
  it('asks nothing of a plan that nobody edits, however seldom its backups are proven', () => {
    fc.assert(
      fc.property(
        fc.record({
          keepLast: fc.integer({ min: 1, max: 20 }),
          keepProven: fc.integer({ min: 1, max: 4 }),
          keepDays: fc.option(fc.integer({ min: 1, max: 20 })),
          keepWeekly: fc.integer({ min: 0, max: 4 }),
        }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 29 }),
        (change, provenEvery, first) => {
          const history = new History();
          for (let day = 0; day < 120; day++) {
            history.backUp(DAY_MS, false);
            expect(history.look(policy(change)).isBraked).toBe(false);
            if ((day + first) % provenEvery !== 0) continue;
            history.backups.at(-1)!.proof = 'FULL';
            expect(history.look(policy(change)).isBraked).toBe(false);
          }
          const standing = history.backups.filter(({ trashed }) => !trashed).length;
          if (provenEvery === 1)
            expect(standing).toBeLessThanOrEqual(change.keepLast + change.keepProven + (change.keepDays ?? 0) + 1 + change.keepWeekly);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('lets nothing go that it did not weigh, and never much at once, whatever jumps, fails or is edited', () => {
    const anyPolicy = fc.record({
      keepLast: fc.integer({ min: 1, max: 30 }),
      keepProven: fc.integer({ min: 1, max: 10 }),
      keepDays: fc.option(fc.integer({ min: 1, max: 30 })),
      demanded: fc.constantFrom('stored' as const, 'FULL' as const),
    });
    const anyStep = fc.oneof(
      { weight: 8, arbitrary: fc.record({ days: fc.constantFrom(1, 1, 1, 1, 7, 400, -3), proven: fc.boolean(), isSeen: fc.boolean() }) },
      { weight: 1, arbitrary: anyPolicy },
    );
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 20, maxLength: 120 }), (steps) => {
        const history = new History();
        const weighed = new Set<string>();
        let by = policy({});
        for (const step of steps) {
          if ('keepLast' in step) {
            by = policy(step);
            history.dueSince.clear();
            for (const { id } of history.backups) weighed.delete(id);
            continue;
          }
          history.backUp(step.days * DAY_MS, step.proven);
          if (!step.isSeen) continue;
          const goneBefore = history.gone.length;
          const { letGo, of } = history.look(by);
          for (const id of letGo) weighed.add(id);
          expect(letGo.length <= 3 || (letGo.length <= 10 && letGo.length <= of / 5)).toBe(true);
          for (const id of history.gone.slice(goneBefore)) expect(weighed).toContain(id);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('holds a backlog up that nobody weighed while verifications failed', () => {
    const history = new History();
    for (let day = 0; day < 30; day++) history.backUp(DAY_MS, false);
    history.backUp(DAY_MS, true);
    expect(history.look(policy({ keepLast: 3, keepProven: 1 }))).toMatchObject({ letGo: [], isBraked: true });
    expect(history.gone).toEqual([]);
  });
});
