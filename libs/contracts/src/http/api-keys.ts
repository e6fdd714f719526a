import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { Scope } from '../principal.js';

export const CreateApiKey = z
  .object({
    name: PlainText.min(1).max(100),
    /** `*`: all that its maker may do, whatever that is at the time. */
    scopes: z.array(Scope).min(1),
    expiresAt: z.iso.datetime().optional(),
    requestsPerMinute: z.number().int().min(1).max(100_000).optional(),
  })
  .strict()
  .meta({ id: 'CreateApiKey' });
export type CreateApiKey = z.infer<typeof CreateApiKey>;

export const ApiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(Scope),
    requestsPerMinute: z.number().int().nullable(),
    /** The user who made it; it never reaches further than they do. */
    createdBy: z.object({ id: z.string(), name: z.string() }),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    lastUsedAt: z.iso.datetime().nullable(),
    lastUsedFrom: z.string().nullable(),
    revokedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

/** The secret `rhb_<id>_<secret>_<crc>` is shown once. */
export const CreatedApiKey = ApiKey.extend({ secret: z.string() }).meta({ id: 'CreatedApiKey' });
export type CreatedApiKey = z.infer<typeof CreatedApiKey>;
