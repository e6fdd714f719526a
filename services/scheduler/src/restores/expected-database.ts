import type { Finding } from '@rahat/contracts';
import type { DatabaseRow } from '../databases/databases.table.js';

type Seen = Pick<DatabaseRow, 'name' | 'missing_since'>;

/**
 * Which databases a physical backup really has is known when the server is recovered, after hours. Who mistyped a name hears of it
 * before; but it may have been made since somebody last looked at the server, and so it's never more than a warning.
 */
export function expectedDatabase(name: string | undefined, seen: readonly Seen[], backup: { consistent_at: Date }): Finding[] {
  // Nobody has looked at the server yet.
  if (name === undefined || seen.length === 0) return [];
  const there = seen.filter(({ missing_since }) => missing_since === null || missing_since > backup.consistent_at);
  if (there.some((database) => database.name === name)) return [];
  const goneSince = seen.find((database) => database.name === name)?.missing_since;
  const known = there.map((database) => `'${database.name}'`).join(', ');
  return [
    {
      code: 'database_unknown',
      severity: 'warning',
      object: name,
      message: goneSince
        ? `The database '${name}' was gone from the server by ${goneSince.toISOString()}, before this backup was taken`
        : `No database '${name}' was seen on the server that this backup is of`,
      fix: `Seen were ${known || 'none'}. If it isn't in the backup, the restore is refused when the server is recovered.`,
    },
  ];
}
