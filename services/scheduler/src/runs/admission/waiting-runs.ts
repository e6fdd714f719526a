import type { BlackoutWindow, RunState, RunType, WaitingFor } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { RunCause } from '../runs.table.js';

/** What decides about the place of a run. */
export interface PlacedRun {
  id: string;
  organization_id: string;
  type: RunType;
  state: RunState;
  cause: RunCause;
  attempt: number;
  priority: number;
  due_at: Date;
  not_before: Date | null;
  deadline_minutes: number;
  paused: boolean;
  waiting_for: WaitingFor | null;
  server_id: string | null;
  server_name: string | null;
  heavy_runs: number | null;
  plan_id: string | null;
  /** Of its plan, on one server. */
  runs_at_once: number | null;
  pool: string;
  storage_id: string;
  plan_blackouts: BlackoutWindow[] | null;
  server_blackouts: BlackoutWindow[];
  blackout_due: 'move' | 'skip' | null;
}

const PLACED = `
  SELECT runs.id, runs.organization_id, runs.type, runs.state, runs.cause, runs.attempt, runs.priority, runs.due_at, runs.not_before, runs.deadline_minutes,
    runs.pause IS NOT NULL AS paused, runs.waiting_for, runs.server_id, servers.name AS server_name, servers.heavy_runs, runs.plan_id,
    (plans.source_limits ->> 'runsAtOnce')::int AS runs_at_once, COALESCE(servers.pool, collection_policies.pool, 'default') AS pool,
    COALESCE(repository_places.storage_id, runs.repository_id) AS storage_id, plans.blackouts AS plan_blackouts, COALESCE(servers.blackouts, '[]') AS server_blackouts, plans.blackout_due
  FROM runs LEFT JOIN servers ON servers.id = runs.server_id LEFT JOIN plans ON plans.id = runs.plan_id LEFT JOIN repository_places ON repository_places.repository_id = runs.repository_id
    LEFT JOIN collection_policies ON runs.type IN ('collection', 'rebuild') AND collection_policies.repository_id = runs.repository_id`;

/** Not locked: whoever is cancelled meanwhile is not found by the conditional update that admits it. */
export function waitingRuns(transaction: Transaction): Promise<PlacedRun[]> {
  return transaction.query<PlacedRun>(`${PLACED} WHERE runs.state = 'due' OR (runs.state = 'queued' AND runs.admitted_at IS NULL)`);
}

/** From admission to the end of the attempt a run holds its places. */
export function runsWithPlace(transaction: Transaction): Promise<PlacedRun[]> {
  return transaction.query<PlacedRun>(`${PLACED} WHERE runs.state = 'running' OR (runs.state = 'queued' AND runs.admitted_at IS NOT NULL)`);
}

export async function tellWaiting(transaction: Transaction, waiting: readonly { id: string; for: WaitingFor }[]): Promise<void> {
  if (waiting.length === 0) return;
  await transaction.query(
    `UPDATE runs SET waiting_for = told.waiting_for FROM unnest($1::text[], $2::jsonb[]) AS told (id, waiting_for) WHERE runs.id = told.id AND runs.state IN ('due', 'queued')`,
    [waiting.map(({ id }) => id), waiting.map((told) => JSON.stringify(told.for))],
  );
}
