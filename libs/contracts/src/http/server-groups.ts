import { z } from 'zod';
import { PlainText } from '../plain-text.js';

const shape = { name: PlainText.trim().min(1).max(100), description: PlainText.max(500).default('') };

/** A named set of servers that plans can select. */
export const CreateServerGroup = z.object(shape).strict().meta({ id: 'CreateServerGroup' });
export type CreateServerGroup = z.infer<typeof CreateServerGroup>;

export const UpdateServerGroup = z
  .object({ name: shape.name.optional(), description: PlainText.max(500).optional() })
  .strict()
  .meta({ id: 'UpdateServerGroup' });
export type UpdateServerGroup = z.infer<typeof UpdateServerGroup>;

export const ServerGroup = z
  .object({ id: z.string(), name: z.string(), description: z.string(), servers: z.number().int(), createdAt: z.iso.datetime() })
  .meta({ id: 'ServerGroup' });
export type ServerGroup = z.infer<typeof ServerGroup>;
