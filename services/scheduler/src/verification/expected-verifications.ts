import { newId, type VerificationLevel } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { PlanRow } from '../plans/plans.table.js';
import type { Covered } from '../runs/coverage.js';
import { priorityOf } from '../runs/priorities.js';

export interface PlannedVerification {
  level: VerificationLevel;
  occurrences: readonly Date[];
}

const ROWS_PER_INSERT = 10_000;
const ATTEMPTS = 3;

/** Writes down that the newest backup of everything covered is to be verified then; which backup that is shows when the time comes. */
export async function insertExpectedVerifications(
  transaction: Transaction,
  plan: PlanRow,
  covered: readonly Covered[],
  planned: readonly PlannedVerification[],
): Promise<number> {
  const rows = planned.flatMap(({ level, occurrences }) =>
    occurrences.flatMap((at) => covered.map(({ server, database }) => ({ id: newId('run'), server: server.id, database, level, at }))),
  );
  const priority = priorityOf({ type: 'verification', cause: 'schedule' }, plan.priority);
  for (let start = 0; start < rows.length; start += ROWS_PER_INSERT) {
    const some = rows.slice(start, start + ROWS_PER_INSERT);
    await transaction.query(
      // A clock that was set back, or another replica, finds the row of this occurrence there.
      `INSERT INTO runs (id, organization_id, type, state, cause, plan_id, method, repository_id, max_attempts, deadline_minutes, priority, server_id, database_id, database_name, level, occurs_at, due_at, names)
       SELECT id, $1, 'verification', 'expected', 'schedule', $2, $3, $4, ${ATTEMPTS}, $5, $6, server_id, database_id, database_name, level, at, at, concat_ws(' ', (SELECT name FROM servers WHERE servers.id = server_id), $13::text)
       FROM unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[]) AS expected (id, server_id, database_id, database_name, level, at)
       ON CONFLICT DO NOTHING`,
      [
        plan.organization_id,
        plan.id,
        plan.method,
        plan.repository_id,
        plan.deadline_minutes,
        priority,
        some.map((row) => row.id),
        some.map((row) => row.server),
        some.map((row) => row.database?.id ?? null),
        some.map((row) => row.database?.name ?? null),
        some.map((row) => row.level),
        some.map((row) => row.at),
        plan.name,
      ],
    );
  }
  return rows.length;
}
