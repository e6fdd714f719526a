import { newId, type BackupType, type PlanSchedule, type ScheduleInput } from '@rahat/contracts';
import type { Questions, Transaction } from '@rahat/persistence';
import { inWords, type Schedule } from './schedule.js';

export interface ScheduleRow {
  id: string;
  organization_id: string;
  plan_id: string;
  position: number;
  type: BackupType;
  cron: string;
  time_zone: string;
}

export async function schedulesOf(transaction: Questions, plans: readonly { id: string }[]): Promise<Map<string, ScheduleRow[]>> {
  const rows = await transaction.query<ScheduleRow>(`SELECT * FROM schedules WHERE plan_id = ANY ($1::text[]) ORDER BY plan_id, position`, [
    plans.map((plan) => plan.id),
  ]);
  return Map.groupBy(rows, (row) => row.plan_id);
}

export async function schedulesOfPlan(transaction: Transaction, plan: { id: string }): Promise<ScheduleRow[]> {
  return (await schedulesOf(transaction, [plan])).get(plan.id) ?? [];
}

/** A schedule that stays as it was keeps its id. */
export async function writeSchedules(
  transaction: Transaction,
  plan: { id: string; organization_id: string },
  wanted: readonly ScheduleInput[],
): Promise<ScheduleRow[]> {
  const before = await schedulesOfPlan(transaction, plan);
  await transaction.query(`DELETE FROM schedules WHERE plan_id = $1`, [plan.id]);
  const known = new Map(before.map((row) => [keyOf(inputOf(row)), row.id]));
  const rows = wanted.map((schedule) => {
    const id = known.get(keyOf(schedule)) ?? newId('schedule');
    known.delete(keyOf(schedule));
    return { id, ...schedule };
  });
  return transaction.query<ScheduleRow>(
    `INSERT INTO schedules (id, organization_id, plan_id, position, type, cron, time_zone)
     SELECT id, $1, $2, position - 1, type, cron, time_zone FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS wanted (id, type, cron, time_zone, position)
     ORDER BY position RETURNING *`,
    [
      plan.organization_id,
      plan.id,
      rows.map((row) => row.id),
      rows.map((row) => row.type),
      rows.map((row) => row.cron),
      rows.map((row) => row.timeZone),
    ],
  );
}

export function scheduleOf(row: ScheduleRow): Schedule {
  return { cron: row.cron, timeZone: row.time_zone };
}

export function inputOf(row: ScheduleRow): ScheduleInput {
  return { type: row.type, cron: row.cron, timeZone: row.time_zone };
}

export function presentSchedule(row: ScheduleRow): PlanSchedule {
  return { id: row.id, ...inputOf(row), inWords: inWords(scheduleOf(row)) };
}

function keyOf(schedule: ScheduleInput): string {
  return JSON.stringify([schedule.type, schedule.cron, schedule.timeZone]);
}
