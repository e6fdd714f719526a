import { z } from 'zod';
import { ComparedWith } from './compared-with.js';
import { Finding } from './finding.js';
import { TableName } from './table-name.js';

/** Evidence crosses the queue: of more objects or tables only the counts are told. */
export const MOST_DIFFERENCES = 500;
/** Of so many objects both definitions are told, cut to this length. */
export const MOST_DEFINITIONS = 50;
export const DEFINITION_CHARACTERS = 4_000;

export const ComparisonScope = z.object({
  /** Absent = all. */
  tables: z.array(TableName).min(1).max(1_000).optional(),
  /** Definitions, no rows. */
  schemaOnly: z.boolean().default(false),
});

const Change = z.enum(['added', 'removed', 'changed']);

/** What differs, without a single value of a row: those stay between the storage and the worker. */
export const ComparisonEvidence = z.object({
  type: z.literal('comparison'),
  /** Of the older side. */
  snapshot: z.string(),
  newer: ComparedWith,
  equal: z.boolean(),
  objects: z.object({
    count: z.number().int(),
    first: z
      .array(
        z.object({
          type: z.string(),
          schema: z.string(),
          name: z.string(),
          change: Change,
          older: z.string().nullable().optional(),
          newer: z.string().nullable().optional(),
        }),
      )
      .max(MOST_DIFFERENCES),
  }),
  tables: z.object({
    count: z.number().int(),
    unchanged: z.number().int(),
    first: z
      .array(
        z.object({
          schema: z.string(),
          table: z.string(),
          key: z.array(z.string()),
          olderRows: z.number().int().nullable(),
          newerRows: z.number().int().nullable(),
          inserted: z.number().int(),
          deleted: z.number().int(),
          changed: z.number().int(),
        }),
      )
      .max(MOST_DIFFERENCES),
  }),
  sequences: z.number().int(),
  /** What was read of the data. */
  bytes: z.number().int(),
  findings: z.array(Finding),
});
export type ComparisonEvidence = z.infer<typeof ComparisonEvidence>;
