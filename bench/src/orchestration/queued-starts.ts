import { setTimeout as sleep } from 'node:timers/promises';
import { QUEUES } from '@rahat/contracts';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { percentile, spread } from './durations.js';
import { openScheduler } from './scheduler.js';

const WAITING = 100;
/** As many as the scripted worker executes at once. */
const SLOTS = 4;
const ATTEMPT_MS = 250;
const LIMIT_MS = 1_000;
const DEADLINE_MS = 120_000;

/** A worker whose place becomes free takes the next of a hundred waiting runs: from the one's end to the other's start. */
export async function queuedStartsCase({ log }: BenchOptions): Promise<BenchResult[]> {
  await using bench = await openScheduler();
  const { scheduler } = bench;
  const runs = WAITING + SLOTS;
  scheduler.worker.databases = Array.from({ length: runs }, (_, index) => `db_${index}`);
  const { id: plan, server } = await scheduler.plan({ databases: 'all' });
  await scheduler.call('POST', `/api/v2/servers/${server}/discover`);
  await scheduler.sql(`UPDATE scheduler.servers SET heavy_runs = ${runs}`);
  const alive = () =>
    scheduler.messaging.send(QUEUES.scheduler, 'worker.alive.v1', {
      worker: 'worker-1',
      pool: 'default',
      slots: SLOTS,
      at: new Date().toISOString(),
    });
  await alive();
  const started: number[] = [];
  const finished: number[] = [];
  for (let run = 0; run < runs; run++)
    scheduler.scripts.push(async (attempt) => {
      started.push(performance.now());
      await attempt.start();
      await sleep(ATTEMPT_MS);
      await attempt.finish({ outcome: 'error', error: { code: 'tool_failed', message: 'of the bench', retryable: false } });
      finished.push(performance.now());
    });

  log(`starting ${runs} runs on ${SLOTS} places …`);
  const asked = performance.now();
  const { status, body } = await scheduler.call('POST', `/api/v2/plans/${plan}/runs`);
  if (status >= 300) throw new Error(`The runs were not started: ${JSON.stringify(body)}`);
  while (finished.length < runs) {
    if (performance.now() - asked > DEADLINE_MS) throw new Error(`Only ${finished.length} of ${runs} runs ended.`);
    await sleep(50);
  }
  const gaps = started.slice(SLOTS).map((at, index) => at - finished[index]!);
  const p95 = percentile(gaps, 0.95);
  return [
    {
      case: `start of a queued run, ${WAITING} waiting, p95`,
      ours: p95,
      unit: 'ms',
      target: `< ${LIMIT_MS} ms`,
      met: p95 < LIMIT_MS,
      note: `after a place became free: ${spread(gaps)}; the first ran ${Math.round(started[0]! - asked)} ms after all were asked for`,
    },
  ];
}
