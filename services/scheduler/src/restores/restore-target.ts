import type { CreateRestorePlan, RestoreTarget } from '@rahat/contracts';
import type { NamedBackupRow } from '../backups/backups.table.js';
import { mistaken } from '../input/mistake.js';
import { newDatabaseName } from './new-database-name.js';

/** Where a restore goes; refused where the backup can't go there, or not in that way. */
export function targetOf(request: CreateRestorePlan, backup: Pick<NamedBackupRow, 'method' | 'database_name'>, now: Date): RestoreTarget {
  if (backup.method === 'postgresql.physical' && request.fromDatabase === undefined) return folderOf(request);
  if (backup.method !== 'postgresql.physical' && request.fromDatabase !== undefined)
    throw mistaken({ pointer: '/fromDatabase', message: 'a logical backup holds one database only; leave it out' });
  if (request.target?.kind === 'folder')
    throw mistaken({
      pointer: '/target',
      message: request.fromDatabase === undefined ? 'a logical backup is restored to a database' : 'one database is restored to a database',
    });
  if (request.merge) return mergeTarget(request);
  const from = request.fromDatabase ?? backup.database_name ?? 'database';
  return request.target ?? { kind: 'database', name: newDatabaseName(from, now), replace: false };
}

function folderOf({ target, tables, merge }: CreateRestorePlan): RestoreTarget {
  const whole = 'a physical backup holds the whole server; name its database with `fromDatabase`';
  if (tables) throw mistaken({ pointer: '/tables', message: `${whole} to choose tables` });
  if (merge) throw mistaken({ pointer: '/merge', message: `${whole} to choose parts of it` });
  if (target?.kind !== 'folder')
    throw mistaken({
      pointer: '/target',
      message: 'a physical backup is restored to a folder: {"kind":"folder","path":"/…"}, or one of its databases with `fromDatabase`',
    });
  return target;
}

/** The rows go into what is there, so it has to be named, and nothing is swapped in for it. */
function mergeTarget({ target, intoExisting }: CreateRestorePlan): RestoreTarget {
  if (target?.kind !== 'database') throw mistaken({ pointer: '/target', message: 'name the existing database that the part goes into' });
  if (target.replace) throw mistaken({ pointer: '/target/replace', message: 'a part goes into the database as it is' });
  if (intoExisting)
    throw mistaken({ pointer: '/intoExisting', message: 'moves tables aside, and `merge` brings rows into them: choose one' });
  return target;
}
