import { RahatError, type BackupMethod, type Plan, type VerificationLevel } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { inWords, nextOccurrences } from './schedule.js';

export interface PlanRow {
  id: string;
  organization_id: string;
  name: string;
  server_id: string;
  method: BackupMethod;
  databases: 'all' | string[];
  repository_id: string;
  cron: string | null;
  time_zone: string;
  catch_up: 'run_once' | 'skip';
  keep_last: number;
  keep_proven: number;
  verify: VerificationLevel[];
  deep: boolean;
  max_attempts: number;
  deadline_minutes: number;
  enabled: boolean;
  planned_until: Date;
  replan: boolean;
  created_at: Date;
  deleted_at: Date | null;
}

export async function findPlan(transaction: Transaction, id: string): Promise<PlanRow> {
  const [row] = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = $1 AND deleted_at IS NULL`, [id]);
  if (!row) throw new RahatError('not_found', `There is no plan ${id}`);
  return row;
}

/** A physical plan covers the server as a whole; its runs name no database. */
export function coversWholeServer(plan: Pick<PlanRow, 'method'>): boolean {
  return plan.method === 'postgresql.physical';
}

export function presentPlan(row: PlanRow, now: Date): Plan {
  const schedule = row.cron === null ? undefined : { cron: row.cron, timeZone: row.time_zone };
  return {
    id: row.id,
    name: row.name,
    server: row.server_id,
    method: row.method,
    databases: row.databases,
    repository: row.repository_id,
    cron: row.cron,
    timeZone: row.time_zone,
    cronInWords: schedule ? inWords(schedule) : null,
    nextRuns: schedule && row.enabled ? nextOccurrences(schedule, now, 5).map((at) => at.toISOString()) : [],
    catchUp: row.catch_up,
    retention: { keepLast: row.keep_last, keepProven: row.keep_proven },
    verify: row.verify,
    deep: row.deep,
    maxAttempts: row.max_attempts,
    deadlineMinutes: row.deadline_minutes,
    enabled: row.enabled,
    createdAt: row.created_at.toISOString(),
  };
}
