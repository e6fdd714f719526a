import { z } from 'zod';

export const TableFormat = z.enum(['sql', 'csv', 'json-lines']);
export type TableFormat = z.infer<typeof TableFormat>;

const object = { schema: z.string().min(1), name: z.string().min(1) };

/** What a worker is asked to read out of a logical backup. */
export const ContentOrder = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('outline') }),
  z.object({ kind: z.literal('ddl'), ...object }),
  z.object({ kind: z.literal('rows'), ...object, offset: z.number().int().min(0), limit: z.number().int().min(1) }),
  z.object({ kind: z.literal('table'), ...object, format: TableFormat, formulaSafe: z.boolean() }),
  z.object({ kind: z.literal('globals') }),
]);
export type ContentOrder = z.infer<typeof ContentOrder>;

/** Where the worker sends it: taken once, from whoever shows the ticket. */
export const ContentUpload = z.object({ url: z.url({ protocol: /^https?$/ }), ticket: z.string().min(32) });
export type ContentUpload = z.infer<typeof ContentUpload>;
