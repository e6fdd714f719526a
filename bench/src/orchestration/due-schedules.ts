import { Ticker } from '@rahat/service-scheduler/testing';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { percentile, timed } from './durations.js';
import { fill, openScheduler, type BenchScheduler } from './scheduler.js';

const SCHEDULES = 10_000;
const QUICK_SHARE = 20;
const LIMIT_SECONDS = 2;
/** As many as the scripted worker takes at once. */
const STANDING = 4;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** All of them become due in the same second, of as many plans, servers and databases. */
export async function dueSchedulesCase({ runs, quick, log }: BenchOptions): Promise<BenchResult[]> {
  const schedules = quick ? SCHEDULES / QUICK_SHARE : SCHEDULES;
  await using bench = await openScheduler();
  const { scheduler } = bench;
  // The first ones keep the scripted worker, which works in this process, busy for good.
  const over = Promise.withResolvers<void>();
  await using _worker = { [Symbol.asyncDispose]: async () => over.resolve() };
  scheduler.scripts.push(...Array.from({ length: STANDING }, () => () => over.promise));
  // One tick at a time: what it leaves for the next one must not begin beside it.
  scheduler.application.get(Ticker).hurry = () => undefined;
  log(`making ${schedules} plans with a schedule each …`);
  await fill(bench, { servers: schedules, databases: schedules, backups: 0 });
  const dueAt = new Date(Math.ceil(scheduler.clock.now().getTime() / HOUR_MS + 1) * HOUR_MS);
  await scheduler.sql(`
    INSERT INTO scheduler.schedules (id, organization_id, plan_id, position, type, cron, time_zone)
      SELECT 'schedule_' || substr(id, 6), organization_id, id, 0, 'full', '0 ${dueAt.getUTCHours()} * * *', 'UTC' FROM scheduler.plans`);
  await scheduler.sql(`UPDATE scheduler.plans SET databases = '"all"', planned_until = now(), replan = true`);
  await scheduler.sql('ANALYZE');
  const planning = await timed(() => untilPlanned(bench));
  log(`the ledger of the next 48 h took ${(planning.ms / 1000).toFixed(1)} s`);

  const ticks: number[] = [];
  for (let day = 0; day < Math.max(runs, 3); day++) {
    await moveTo(bench, new Date(dueAt.getTime() + day * DAY_MS - 60_000));
    await untilPlanned(bench);
    await moveTo(bench, new Date(dueAt.getTime() + day * DAY_MS + 1_000));
    const { ms } = await timed(() => scheduler.tick());
    const [made] = await scheduler.sql(
      `SELECT count(*)::int AS runs FROM scheduler.runs WHERE type = 'backup' AND state IN ('due', 'queued', 'running', 'succeeded')`,
    );
    if (made!['runs'] !== schedules) throw new Error(`${String(made!['runs'])} runs of ${schedules} became due`);
    log(`tick ${day + 1}: ${ms.toFixed(0)} ms`);
    ticks.push(ms);
    await forgetRuns(bench);
  }
  const seconds = percentile(ticks, 1) / 1000;
  return [
    {
      case: `tick with ${schedules} due schedules`,
      ours: seconds,
      unit: 's',
      target: `< ${LIMIT_SECONDS} s`,
      met: seconds < LIMIT_SECONDS,
      note: `longest of ${ticks.length}: due, admission of the first 50, which were sent`,
    },
    {
      case: `ledger of 48 h for ${schedules} schedules, in the background`,
      ours: planning.ms / 1000,
      unit: 's',
      target: '–',
      met: 'not measured',
      note: 'when all plans are new at once',
    },
  ];
}

async function untilPlanned({ scheduler }: BenchScheduler): Promise<void> {
  for (;;) {
    await scheduler.tick();
    const horizon = new Date(scheduler.clock.now().getTime() + 46 * HOUR_MS).toISOString();
    const [left] = await scheduler.sql(`SELECT count(*)::int AS plans FROM scheduler.plans WHERE replan OR planned_until < '${horizon}'`);
    if (left!['plans'] === 0) return;
  }
}

async function moveTo({ scheduler }: BenchScheduler, moment: Date): Promise<void> {
  scheduler.clock.advance(moment.getTime() - scheduler.clock.now().getTime());
  // Nothing is left to discover.
  await scheduler.sql(`UPDATE scheduler.servers SET discovered_at = '${scheduler.clock.now().toISOString()}'`);
}

/** What was started would be in the way of the next day's. */
async function forgetRuns({ scheduler }: BenchScheduler): Promise<void> {
  await scheduler.sql(`
    UPDATE scheduler.runs SET state = 'missed', finished_at = now(), heartbeat_at = NULL WHERE state IN ('due', 'queued', 'running', 'succeeded')`);
  await scheduler.sql('VACUUM ANALYZE scheduler.runs');
}
