import { createHash } from 'node:crypto';
import type { RetentionPreview } from '@rahat/contracts';
import type { PlanRow } from '../plans/plans.table.js';
import { brakeOn, isNewlyDue, planBrakeOn } from './brake.js';
import type { DecidedRow } from './lines.js';

export function droppedIn(lines: readonly DecidedRow[][]): string[] {
  return lines
    .flat()
    .filter(({ decision }) => decision.verdict === 'dropped')
    .map(({ row }) => row.id)
    .sort();
}

/** Of what goes, and of what would follow it without another word. */
export function hashOf(lines: readonly DecidedRow[][]): string {
  const due = lines
    .flat()
    .filter((decided) => decided.decision.verdict !== 'dropped' && isNewlyDue(decided))
    .map(({ row }) => `due ${row.id}`)
    .sort();
  return createHash('sha256')
    .update([...droppedIn(lines), ...due].join('\n'))
    .digest('hex');
}

export function presentPreview(
  plan: Pick<PlanRow, 'retention_weighed' | 'retention_brake'>,
  lines: readonly DecidedRow[][],
): RetentionPreview {
  return {
    hash: hashOf(lines),
    planBrake: plan.retention_weighed ? plan.retention_brake : (planBrakeOn(lines) ?? null),
    brakes: lines.flatMap((line) => {
      const brake = brakeOn(line);
      const { row } = line[0]!;
      return brake ? [{ server: row.server_id, database: row.database_id, databaseName: row.database_name, ...brake }] : [];
    }),
    backups: lines.flat().flatMap(({ row, decision: { verdict, reason, due } }) =>
      verdict === 'trashed'
        ? []
        : [
            {
              backup: row.id,
              database: row.database_id,
              databaseName: row.database_name,
              consistentAt: row.consistent_at.toISOString(),
              sizeBytes: Number(row.size_bytes),
              addedBytes: Number(row.added_bytes),
              kept: verdict === 'kept',
              due,
              reason,
            },
          ],
    ),
  };
}
