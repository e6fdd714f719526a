import type { RunType, Scheduling } from '@rahat/contracts';
import type { Resource } from './admission.js';
import type { PlacedRun } from './waiting-runs.js';

/** A pool's workers as they told of themselves; a pool that is not here never told anything, and is trusted. */
export interface PoolWorkers {
  alive: number;
  slots: number;
  /** Log streams beside their runs. */
  followers: number;
}

export interface PlaceRules {
  /** Of the installation, by pool. */
  pools: Readonly<Record<string, number>>;
  workers: ReadonlyMap<string, PoolWorkers>;
  /** Of the organizations. */
  scheduling: ReadonlyMap<string, Scheduling>;
}

/** A verification reads the repository and restores elsewhere; collections and rebuilds know of no server; a follower reads what the server just wrote. */
const LOADS_SERVER: Record<RunType, boolean> = {
  backup: true,
  restore: true,
  verification: false,
  collection: false,
  rebuild: false,
  follow: false,
  comparison: false,
};
/** So many are sent to a pool for each of its slots: a worker that is done finds the next one waiting. */
const SENT_PER_SLOT = 2;

/** Everything that the run needs a place in; the first that is full is what it is told to wait for. */
export function resourcesOf(run: PlacedRun, rules: PlaceRules): Resource[] {
  const { organization_id: organization, pool } = run;
  const limits = rules.scheduling.get(organization)?.limits;
  const resources: Resource[] = [];
  const workers = rules.workers.get(pool);
  if (run.type === 'follow')
    return [
      {
        key: `followers ${pool}`,
        reason: 'worker',
        limit: workers?.followers,
        message: workers?.followers
          ? `The workers of the pool '${pool}' follow as many log streams as they can.`
          : `No worker of the pool '${pool}' is running that follows log streams.`,
      },
    ];
  if (workers)
    resources.push({
      key: `workers ${pool}`,
      reason: 'worker',
      limit: workers.slots * SENT_PER_SLOT,
      message: workers.alive === 0 ? `No worker of the pool '${pool}' is running.` : `All workers of the pool '${pool}' are busy.`,
    });
  if (LOADS_SERVER[run.type])
    resources.push({
      key: `server ${run.server_id}`,
      reason: 'server',
      limit: run.heavy_runs ?? undefined,
      message: `The server '${run.server_name}' bears ${counted(run.heavy_runs ?? 1)} at once, and has ${run.heavy_runs === 1 ? 'it' : 'them'}.`,
    });
  if (run.type === 'backup' && run.plan_id)
    resources.push(
      limited(
        'server',
        `plan ${run.plan_id} ${run.server_id}`,
        run.runs_at_once ?? undefined,
        `The plan lets the server '${run.server_name}' bear`,
      ),
    );
  resources.push(
    limited('pool', `pool ${pool}`, rules.pools[pool], `The installation lets the pool '${pool}' do`),
    limited('pool', `pool ${organization} ${pool}`, limits?.pools[pool], `The organization lets the pool '${pool}' do`),
    limited(
      'storage',
      `storage ${organization} ${run.storage_id}`,
      limits?.storages[run.storage_id],
      'The organization lets the storage serve',
    ),
  );
  return resources;
}

function limited(reason: Resource['reason'], key: string, limit: number | undefined, who: string): Resource {
  return { key, reason, limit, message: limit === undefined ? '' : `${who} ${counted(limit)} at once.` };
}

function counted(runs: number): string {
  return runs === 1 ? '1 run' : `${runs} runs`;
}
