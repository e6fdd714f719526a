import { z } from 'zod';
import { TableName } from './table-name.js';

/**
 * How restored rows meet those of a table that is in use. `replace`: the table, or what the condition names of it, holds exactly the
 * backup's rows afterwards. `missing`: only rows whose key isn't there come. `overwrite`: these come too, and rows of the same key
 * become the backup's.
 */
export const MergeConflict = z.enum(['replace', 'missing', 'overwrite']);
export type MergeConflict = z.infer<typeof MergeConflict>;

/** `all` makes tables that are not there; `data` refuses them; `schema` makes them and brings no rows. */
export const MergeContent = z.enum(['all', 'data', 'schema']);
export type MergeContent = z.infer<typeof MergeContent>;

/** Which rows of a table: a condition as after WHERE, of columns, constants, operators and harmless functions (docs/PARTIAL_RESTORE.md). */
export const RowSelection = TableName.extend({
  condition: z
    .string()
    .min(1)
    .max(10_000)
    .meta({ examples: ['customer_id = 7'] }),
}).strict();
export type RowSelection = z.infer<typeof RowSelection>;

/** Of one table, or without `table` of a whole schema. */
const RenamedPlace = z.object({ schema: z.string().min(1).max(63), table: z.string().min(1).max(63).optional() }).strict();

export const Rename = z
  .object({ from: RenamedPlace, to: RenamedPlace })
  .strict()
  .refine(({ from, to }) => (from.table === undefined) === (to.table === undefined), {
    message: 'a table is renamed to a table, and a schema to a schema',
  });
export type Rename = z.infer<typeof Rename>;

/** So long a lock is waited for; others wait behind whoever waits. */
export const LockWaitSeconds = z.number().int().min(1).max(600).default(10);

/** A part of a backup goes into a database that is in use: in one transaction, with a safety copy of what it changes. */
export const Merge = z
  .object({
    conflict: MergeConflict,
    content: MergeContent.default('all'),
    /** All tables of these. */
    schemas: z.array(z.string().min(1)).min(1).optional(),
    rows: z.array(RowSelection).min(1).optional(),
    renames: z.array(Rename).min(1).optional(),
    /** So long the rows that were changed or removed are kept for an undo. */
    safetyCopyDays: z.number().int().min(1).max(365).default(7),
    lockWaitSeconds: LockWaitSeconds,
  })
  .strict();
export type Merge = z.infer<typeof Merge>;

/** Where a restore into a live database left what it changed. */
export const SafetyCopy = z.object({
  database: z.string(),
  /** A schema of that database. */
  schema: z.string().meta({ examples: ['rahat_undo_rhb_0123456789ab_1'] }),
  /** Kept rows: as they were, and as the restore left them. */
  rows: z.number().int(),
  expiresAt: z.iso.datetime(),
});
export type SafetyCopy = z.infer<typeof SafetyCopy>;

/** `rahat_undo_<label>`: a name that needs no quotes. */
export function safetyCopySchema(label: string): string {
  return `rahat_undo_${label
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, '_')
    .slice(-50)}`;
}

/** What becomes of a safety copy: rows are put back from it, or it is dropped as it is. */
export const SafetyCopyOrder = z
  .object({
    /** The run that left it. */
    of: z.string(),
    schema: z.string().regex(/^rahat_undo_[a-z0-9_]{1,50}$/),
    action: z.enum(['undo', 'drop']),
    /** Undo even where it takes back what others wrote since. */
    force: z.boolean().default(false),
    lockWaitSeconds: LockWaitSeconds,
  })
  .strict();
export type SafetyCopyOrder = z.infer<typeof SafetyCopyOrder>;

/** Rows of a live table that a restore, or its undo, changed. */
export const MergedTable = z
  .object({
    schema: z.string(),
    table: z.string(),
    /** It was not there before. */
    created: z.boolean(),
    inserted: z.number().int(),
    updated: z.number().int(),
    removed: z.number().int(),
  })
  .meta({ id: 'MergedTable' });
export type MergedTable = z.infer<typeof MergedTable>;
