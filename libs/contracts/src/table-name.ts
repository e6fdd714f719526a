import { z } from 'zod';

export const TableName = z.object({ schema: z.string().min(1), table: z.string().min(1) }).strict();
export type TableName = z.infer<typeof TableName>;
