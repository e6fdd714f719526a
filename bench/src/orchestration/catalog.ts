import { METRICS, type Registry } from '@rahat/service-kit';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { catalogRoutes } from './catalog-routes.js';
import { percentile, spread, timed } from './durations.js';
import { fill, openScheduler, type BenchScheduler, type Catalog } from './scheduler.js';

const FULL: Catalog = { servers: 1_000, databases: 10_000, backups: 1_000_000 };
const QUICK: Catalog = { servers: 50, databases: 500, backups: 50_000 };
const REQUESTS = 20;
const DEEP_PAGES = 100;
const LIMIT_MS = 100;
/** Of each database: what its plan foresees for the next hours. */
const EXPECTED_HOURS = 5;

/** The lists, filters, searches and the status as a dashboard asks for them. */
export async function catalogCase({ quick, log }: BenchOptions): Promise<BenchResult[]> {
  const size = quick ? QUICK : FULL;
  await using bench = await openScheduler();
  log(`making ${size.databases} databases and ${size.backups} backups …`);
  const filled = await timed(() => fill(bench, size));
  await planAhead(bench);
  log(`they are there after ${(filled.ms / 1000).toFixed(0)} s`);
  const results: BenchResult[] = [];
  const add = (name: string, times: number[], note = ''): void => {
    const p95 = percentile(times, 0.95);
    results.push({
      case: `${size.backups} backups: ${name}, p95`,
      ours: p95,
      unit: 'ms',
      target: `< ${LIMIT_MS} ms`,
      met: p95 < LIMIT_MS,
      note: [spread(times), note].filter(Boolean).join('; '),
    });
    log(`${name}: ${spread(times)} ${note}`);
  };
  const first = await timed(() => bench.get('/api/v2/status'));
  results.push({
    case: `${size.backups} backups: status after a change of each database`,
    ours: first.ms,
    unit: 'ms',
    target: '–',
    met: 'not measured',
    note: `the rows of ${size.databases} lines are computed first`,
  });
  for (const route of catalogRoutes(size)) {
    // The first request also fills caches, as it would in a running service.
    await bench.get(route.path);
    const times: number[] = [];
    let rows = 0;
    for (let request = 0; request < REQUESTS; request++) {
      const { ms, result } = await timed(() => bench.get(route.path));
      times.push(ms);
      rows = rowsIn(result);
    }
    if (rows < route.rows.least) throw new Error(`${route.name} gave ${rows} rows.`);
    add(route.name, times, `${rows} rows`);
  }
  for (const list of ['backups', 'runs']) add(`${list}, pages of 200 down to the ${DEEP_PAGES * 200}th`, await pagesOf(bench, list));
  add('the pages of a scrape by Prometheus', await scrapes(bench));
  return results;
}

function rowsIn(body: Record<string, unknown>): number {
  const lists = [body['data'], body['databases'], body['servers'], body['plans'], body['runs'], body['backups']];
  return lists.reduce<number>((sum, list) => sum + (Array.isArray(list) ? list.length : 0), 0);
}

async function pagesOf({ get }: BenchScheduler, list: string): Promise<number[]> {
  const times: number[] = [];
  let cursor = '';
  for (let page = 0; page < DEEP_PAGES; page++) {
    const { ms, result } = await timed(() => get(`/api/v2/${list}?limit=200${cursor}`));
    times.push(ms);
    const { nextCursor } = result['page'] as { nextCursor: string | null };
    if (nextCursor === null) break;
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return times;
}

/** Each as if the last one were long ago: what is remembered for a while is forgotten by then. */
async function scrapes({ scheduler }: BenchScheduler): Promise<number[]> {
  const registry = scheduler.application.get<Registry>(METRICS);
  const times: number[] = [];
  for (let scrape = 0; scrape < REQUESTS; scrape++) {
    scheduler.clock.advance(60_000);
    const { ms } = await timed(() => registry.metrics());
    times.push(ms);
  }
  return times;
}

/** Plans cover the databases, and their runs are foreseen. */
async function planAhead({ scheduler }: BenchScheduler): Promise<void> {
  await scheduler.sql(`UPDATE scheduler.plans SET databases = '"all"'`);
  await scheduler.sql(`
    INSERT INTO scheduler.schedules (id, organization_id, plan_id, position, type, cron, time_zone)
      SELECT 'schedule_' || substr(id, 6), organization_id, id, 0, 'full', '30 * * * *', 'UTC' FROM scheduler.plans`);
  await scheduler.sql(`
    INSERT INTO scheduler.runs (id, organization_id, type, state, cause, max_attempts, plan_id, server_id, database_id, database_name, method, repository_id, deadline_minutes, due_at, occurs_at, backup_type)
      SELECT 'run_e' || hour || substr(databases.id, 12), databases.organization_id, 'backup', 'expected', 'schedule', 3, plans.id, databases.server_id, databases.id, databases.name, 'postgresql.logical',
        'repository_known', 720, at, at, 'full'
      FROM scheduler.databases JOIN scheduler.plans ON databases.server_id = ANY (plans.server_ids), generate_series(1, ${EXPECTED_HOURS}) hour,
        LATERAL (SELECT date_trunc('hour', now()) + hour * interval '1 hour' + interval '30 minutes' AS at) moment`);
  await scheduler.sql('VACUUM ANALYZE');
}
