import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startTestScheduler, type TestScheduler } from '../../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

type Step =
  | { does: 'edit'; body: object }
  | { does: 'pause' }
  | { does: 'resume' }
  | { does: 'advance' | 'set'; ms: number }
  | { does: 'exclude'; excluded: boolean };
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    does: fc.constant('edit' as const),
    body: fc.oneof(
      fc.constantFrom('7 * * * *', '*/20 * * * *', '30 2 * * *', '0 */6 * * *').map((cron) => ({ cron })),
      fc.integer({ min: 0, max: 90 }).map((jitterMinutes) => ({ jitterMinutes })),
      fc.constantFrom('Europe/Istanbul', 'America/New_York', 'Australia/Lord_Howe').map((timeZone) => ({ timeZone })),
      fc.constantFrom('move', 'skip').map((due) => ({ blackoutPolicy: { due, running: 'finish' } })),
      fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 23 })).map(([from, to]) => ({
        blackouts: [
          { kind: 'weekly', days: ['monday', 'wednesday', 'thursday', 'friday'], from: hour(from), to: hour(to), timeZone: 'UTC' },
        ],
      })),
      fc.constant({ schedules: [] }),
      fc.constantFrom('run_once', 'skip').map((catchUp) => ({ catchUp })),
      fc.constant({ databases: ['crm'] }),
      fc.constant({ databases: 'all' }),
    ),
  }),
  fc.record({ does: fc.constantFrom('pause' as const, 'resume' as const) }),
  fc.record({ does: fc.constantFrom('exclude' as const), excluded: fc.boolean() }),
  fc.record({
    does: fc.constant('advance' as const),
    ms: fc.oneof(fc.integer({ min: MINUTE, max: 50 * MINUTE }), fc.integer({ min: HOUR, max: 60 * HOUR })),
  }),
  fc.record({ does: fc.constant('set' as const), ms: fc.integer({ min: -5 * HOUR, max: 5 * HOUR }) }),
);

describe('an expected run', () => {
  it('has an outcome after any sequence of edits, pauses and jumps of the clock, and vanishes only before its time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 3, maxLength: 14 }), async (steps) => {
        const plan = await scheduler.plan({ databases: 'all', cron: '*/30 * * * *', jitterMinutes: 40 });
        const shop = (await scheduler.call('GET', `/api/v2/servers/${plan.server}/databases`)).body.data[0].id as string;
        let known: Row[] = [];
        // What has come by then; the real clock goes on while the ticks look at theirs.
        let at = 0;
        for (const step of [...steps, { does: 'advance' as const, ms: HOUR }, { does: 'advance' as const, ms: 0 }]) {
          const before = scheduler.clock.now().getTime();
          await take(step, plan, shop);
          at = step.does === 'advance' || step.does === 'set' ? scheduler.clock.now().getTime() : before;
          await scheduler.tick();
          await scheduler.eventually(
            async () => (await scheduler.sql(`SELECT 1 FROM scheduler.plans WHERE id = '${plan.id}' AND NOT replan`)).length === 1,
          );
          const rows = await ledgerOf(plan.id);
          const passed = known.filter((row) => row.occursAt.getTime() <= at);
          // What is no longer expected was still to come when it was taken back.
          expect(passed.filter((before) => !rows.some((row) => row.key === before.key))).toEqual([]);
          known = rows;
        }
        // A step of a tick leaves out what the scheduler's own tick is at just then; the next one does it.
        await scheduler.eventually(
          async () => !(await ledgerOf(plan.id)).some((row) => row.dueAt.getTime() <= at && row.state === 'expected'),
        );
        const rows = await ledgerOf(plan.id);
        expect(rows.filter((row) => ['missed', 'skipped'].includes(row.state) && row.reasons.length === 0)).toEqual([]);
        await scheduler.call('DELETE', `/api/v2/plans/${plan.id}`);
      }),
      // Each step costs ticks on a real database: a failure is told as it was found.
      { numRuns: 8, endOnFailure: true },
    );
  }, 480_000);
});

async function take(step: Step, plan: { id: string; server: string }, shop: string): Promise<void> {
  const path = `/api/v2/plans/${plan.id}`;
  switch (step.does) {
    case 'edit':
      expect((await scheduler.call('PATCH', path, step.body)).status).toBe(200);
      return;
    case 'pause':
    case 'resume':
      expect((await scheduler.call('POST', `${path}/${step.does}`, step.does === 'pause' ? {} : undefined)).status).toBe(200);
      return;
    case 'exclude':
      expect((await scheduler.call('PATCH', `/api/v2/servers/${plan.server}/databases/${shop}`, { excluded: step.excluded })).status).toBe(
        200,
      );
      return;
    case 'advance':
      scheduler.clock.advance(step.ms);
      return;
    case 'set':
      scheduler.clock.set(step.ms);
  }
}

interface Row {
  key: string;
  state: string;
  occursAt: Date;
  dueAt: Date;
  reasons: string[];
}

async function ledgerOf(plan: string): Promise<Row[]> {
  const rows = await scheduler.sql(
    `SELECT database_name || ' ' || occurs_at AS key, state, occurs_at, due_at, reasons FROM scheduler.runs WHERE plan_id = '${plan}' AND cause = 'schedule'`,
  );
  return rows.map((row) => ({
    key: row['key'] as string,
    state: row['state'] as string,
    occursAt: row['occurs_at'] as Date,
    dueAt: row['due_at'] as Date,
    reasons: row['reasons'] as string[],
  }));
}

function hour(value: number): string {
  return `${String(value).padStart(2, '0')}:00`;
}
