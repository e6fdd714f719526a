import { createHash } from 'node:crypto';
import type { RetentionPreview } from '@rahat/contracts';
import { brakeOn } from './brake.js';
import type { DecidedRow } from './lines.js';

export function droppedIn(lines: readonly DecidedRow[][]): string[] {
  return lines
    .flat()
    .filter(({ decision }) => decision.verdict === 'dropped')
    .map(({ row }) => row.id)
    .sort();
}

export function presentPreview(lines: readonly DecidedRow[][]): RetentionPreview {
  return {
    hash: createHash('sha256').update(droppedIn(lines).join('\n')).digest('hex'),
    brakes: lines.flatMap((line) => {
      const brake = brakeOn(line.map(({ decision }) => decision));
      const { row } = line[0]!;
      return brake ? [{ server: row.server_id, database: row.database_id, databaseName: row.database_name, ...brake }] : [];
    }),
    backups: lines.flat().flatMap(({ row, decision: { verdict, reason } }) =>
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
              reason,
            },
          ],
    ),
  };
}
