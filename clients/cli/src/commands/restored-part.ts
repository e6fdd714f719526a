import { Merge, MergeConflict, RahatError, type TableName } from '@rahat/contracts';
import { oneOf } from './list-filters.js';
import { parseRename, parseRowSelection, parseTableName } from './table-names.js';

/** As typed. */
export interface PartOptions {
  fromDatabase?: string;
  table?: string[];
  into?: string;
  schema?: string[];
  rows?: string[];
  conflict?: string;
  only?: string;
  rename?: string[];
  safetyCopyDays?: number;
  lockWait?: number;
}

/** What of a backup is restored, and how it goes into an existing database. */
export interface RestoredPart {
  /** Of a physical backup. */
  fromDatabase?: string;
  tables?: TableName[];
  /** Whole tables come, and those of their names are moved aside. */
  intoExisting: boolean;
  /** Rows go into the tables that are there. */
  merge?: Merge;
}

export function partOf(options: PartOptions): RestoredPart {
  const { fromDatabase } = options;
  return { ...(fromDatabase === undefined ? {} : { fromDatabase }), ...tablesOf(options) };
}

function tablesOf(options: PartOptions): Omit<RestoredPart, 'fromDatabase'> {
  const tables = options.table?.map(parseTableName);
  const merging = givenOf(options);
  if (options.into === undefined) {
    if (merging[0] !== undefined)
      throw new RahatError('invalid_input', `${merging[0]} needs --into: the existing database that the part goes into.`);
    return { tables, intoExisting: false };
  }
  if (!options.table && !options.schema && !options.rows)
    throw new RahatError('invalid_input', '--into needs --table, --schema or --rows.', {
      hint: 'To bring back a whole database over an existing one, use --replace.',
    });
  const conflict = conflictOf(options, merging);
  if (conflict === 'aside') return { tables, intoExisting: true };
  return { tables, intoExisting: false, merge: mergeOf(options, conflict) };
}

/** Options of a merge alone, by their names. */
function givenOf(options: PartOptions): string[] {
  const { schema, rows, conflict, only, rename, safetyCopyDays, lockWait } = options;
  const all = {
    '--schema': schema,
    '--rows': rows,
    '--rename': rename,
    '--only': only,
    '--conflict': conflict,
    '--safety-copy-days': safetyCopyDays,
    '--lock-wait': lockWait,
  };
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}

function conflictOf(options: PartOptions, given: readonly string[]): 'aside' | MergeConflict {
  const conflict = oneOf({ options: ['aside' as const, ...MergeConflict.options] }, 'conflict', options.conflict);
  const [besides] = given.filter((name) => name !== '--conflict');
  if (besides === undefined) return conflict ?? 'aside';
  if (conflict === 'aside')
    throw new RahatError('invalid_input', `--conflict aside brings whole tables, and ${besides} doesn't go with it.`, {
      hint: 'Use --conflict replace, missing or overwrite.',
    });
  // Without rows nothing meets anything.
  if (conflict === undefined && options.only === 'schema') return 'missing';
  if (conflict === undefined)
    throw new RahatError('invalid_input', `With ${besides} say by --conflict how rows meet those that are there.`, {
      hint: 'replace: afterwards there are exactly the backup’s; missing: only rows whose key is absent come; overwrite: rows of the same key become the backup’s, too.',
    });
  return conflict;
}

function mergeOf(options: PartOptions, conflict: MergeConflict): Merge {
  const { schema, rows, only, rename, safetyCopyDays, lockWait } = options;
  const merge = Merge.safeParse({
    conflict,
    content: oneOf({ options: ['data' as const, 'schema' as const] }, 'choice for --only', only),
    schemas: schema,
    rows: rows?.map(parseRowSelection),
    renames: rename?.map(parseRename),
    safetyCopyDays,
    lockWaitSeconds: lockWait,
  });
  if (merge.success) return merge.data;
  const { path, message } = merge.error.issues[0]!;
  throw new RahatError('invalid_input', `${path.join('.')}: ${message}`);
}
