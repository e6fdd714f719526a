import { RetentionService } from '@rahat/service-scheduler/testing';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { percentile, timed } from './durations.js';
import { fill, openScheduler, type BenchScheduler } from './scheduler.js';

const BACKUPS = 100_000;
const PER_DATABASE = 100;
const QUICK_SHARE = 20;
const LIMIT_SECONDS = 5;

/** Of one plan, in a thousand databases of a server: its dry run, and the reaction to a new backup of each of them. */
export async function retentionCase({ quick, log }: BenchOptions): Promise<BenchResult[]> {
  const backups = quick ? BACKUPS / QUICK_SHARE : BACKUPS;
  const databases = backups / PER_DATABASE;
  await using bench = await openScheduler();
  log(`making ${backups} backups …`);
  await fill(bench, { servers: 1, databases, backups });
  const { scheduler } = bench;
  const [plan] = await scheduler.sql('SELECT id FROM scheduler.plans');
  await scheduler.sql(`UPDATE scheduler.plans SET keep_last = ${PER_DATABASE - 1}`);
  const previews: number[] = [];
  for (let time = 0; time < 3; time++) {
    const { ms, result } = await timed(() => bench.get(`/api/v2/plans/${String(plan!['id'])}/retention`));
    const { backups: shown } = result as { backups: { kept: boolean }[] };
    if (shown.length !== backups) throw new Error(`The dry run shows ${shown.length} of ${backups} backups.`);
    previews.push(ms);
  }
  const first = await timed(() => applyToAll(bench));
  log(`the first look: ${(first.ms / 1000).toFixed(1)} s, ${await removedIn(bench)} of ${backups} on their way to the trash`);
  await scheduler.sql(NEW_BACKUP_OF_EACH);
  const next = await timed(() => applyToAll(bench));
  const removedByNext = await removedIn(bench);
  log(`after a new backup of each: ${(next.ms / 1000).toFixed(1)} s, ${removedByNext} on their way`);
  await scheduler.sql(`UPDATE scheduler.plans SET keep_last = ${PER_DATABASE - 2}`);
  const edited = await timed(() => applyToAll(bench));
  log(`by another policy: ${(edited.ms / 1000).toFixed(1)} s, ${await removedIn(bench)} on their way`);
  const result = (name: string, ms: number, note: string): BenchResult => ({
    case: `retention, ${backups} backups: ${name}`,
    ours: ms / 1000,
    unit: 's',
    target: `< ${LIMIT_SECONDS} s`,
    met: ms < LIMIT_SECONDS * 1000,
    note,
  });
  return [
    result('dry run of their plan', percentile(previews, 1), `${databases} databases, the longest of ${previews.length}`),
    result('first look at all of them', first.ms, `${databases} times one database; each backup is told why it stays`),
    result(
      'after a new backup of each database',
      next.ms,
      `${databases} times one database; the new ones are proven, and ${removedByNext} older ones go in all`,
    ),
    result('by an edited policy', edited.ms, `${databases} times one database; each backup is told another reason`),
  ];
}

const NEW_BACKUP_OF_EACH = `
  INSERT INTO scheduler.backups (id, organization_id, snapshot, repository_id, plan_id, server_id, database_id, database_name, method, label, consistency, state, proof,
    proven_at, consistent_at, objects, rows, size_bytes, added_bytes, server_version, tool, findings, created_at, backup_type, names, tags, found)
  SELECT 'backup_f' || substr(md5(database_id), 1, 31), organization_id, 'snapshot_new_' || database_id, repository_id, plan_id, server_id, database_id, database_name, method, label,
    consistency, 'succeeded', 'FULL', now(), consistent_at + interval '1 hour', objects, rows, size_bytes, added_bytes, server_version, tool, findings, now(), backup_type, names, tags,
    jsonb_build_object('at', now(), 'run', 'run_new', 'by', 'run_of_a_rebuild')
  FROM (SELECT DISTINCT ON (database_id) * FROM scheduler.backups ORDER BY database_id, consistent_at DESC) newest`;

/** As when a backup of each database was just recorded. */
async function applyToAll({ scheduler }: BenchScheduler): Promise<void> {
  const retention = scheduler.application.get(RetentionService);
  const lines = await scheduler.sql(`SELECT DISTINCT plan_id, server_id, database_id FROM scheduler.backups`);
  for (const line of lines)
    await scheduler.database.asSystem('apply retention', (transaction) =>
      retention.apply(transaction, line as { plan_id: string; server_id: string; database_id: string }),
    );
}

async function removedIn({ scheduler }: BenchScheduler): Promise<number> {
  const [row] = await scheduler.sql(`SELECT count(*)::int AS removed FROM scheduler.backups WHERE removal_requested_at IS NOT NULL`);
  return row!['removed'] as number;
}
