import { z } from 'zod';
import { TableFormat } from '../contents.js';

const Name = z.object({ schema: z.string(), name: z.string() });

/** `GET /api/v2/backups/{id}/objects`: schemas, tables, rows and sizes. */
export const BackupObjects = z
  .object({
    database: z.string(),
    serverVersion: z.string(),
    encoding: z.string(),
    schemas: z.array(z.string()),
    relations: z.array(
      Name.extend({
        /** As the engine calls it, e.g. `table`, `partitioned table`, `view`. */
        kind: z.string(),
        owner: z.string(),
        columns: z.array(z.string()),
        /** Columns of the primary key. */
        key: z.array(z.string()),
        /** Of its own rows; a partitioned table's lie in its partitions. */
        rows: z.number().int().optional(),
        sizeBytes: z.number().optional(),
        partitionOf: Name.optional(),
      }),
    ),
    largeObjects: z.number().int(),
    hasGlobals: z.boolean(),
  })
  .meta({ id: 'BackupObjects' });
export type BackupObjects = z.infer<typeof BackupObjects>;

const object = { schema: z.string().min(1).max(200), name: z.string().min(1).max(200) };

/** `GET /api/v2/backups/{id}/ddl`: SQL that makes an object, with all that belongs to it. */
export const BackupObjectQuery = z.object(object);
export type BackupObjectQuery = z.infer<typeof BackupObjectQuery>;

/** Rows lie in the order of the dump. What comes before `offset` is read as well, so who wants all of them downloads the table. */
export const BackupRowsQuery = z.object({
  ...object,
  offset: z.coerce.number().int().min(0).max(10_000_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});
export type BackupRowsQuery = z.infer<typeof BackupRowsQuery>;

export const BackupRows = z
  .object({
    offset: z.number().int(),
    /** Column → value. */
    rows: z.array(z.record(z.string(), z.unknown())),
    /** null = these were the last. A page of long rows is shorter than its limit. */
    nextOffset: z.number().int().nullable(),
  })
  .meta({ id: 'BackupRows' });
export type BackupRows = z.infer<typeof BackupRows>;

/** One table, or roles and tablespaces with `globals=true`. */
export const BackupDownloadQuery = z
  .object({
    schema: object.schema.optional(),
    name: object.name.optional(),
    globals: z.enum(['true', 'false']).default('false'),
    format: TableFormat.default('sql'),
    /** CSV only: what a spreadsheet would take for a formula begins with an apostrophe. The file is then no exact copy. */
    formulaSafe: z.enum(['true', 'false']).default('false'),
  })
  .refine(({ schema, name, globals }) => (globals === 'true') === (schema === undefined && name === undefined), {
    message: 'give schema and name of a table, or globals=true',
  })
  .refine(({ schema, name }) => (schema === undefined) === (name === undefined), { message: 'give both schema and name' });
export type BackupDownloadQuery = z.infer<typeof BackupDownloadQuery>;
