import { z } from 'zod';

export const AuditEntry = z
  .object({
    id: z.string(),
    sequence: z.number().int(),
    at: z.iso.datetime(),
    actor: z.object({ kind: z.string(), id: z.string(), name: z.string(), address: z.string().nullable() }),
    action: z.string(),
    target: z.object({ kind: z.string(), id: z.string(), name: z.string().nullable() }),
    details: z.record(z.string(), z.unknown()),
    previousHash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;
/** `head` of an earlier verification, noted elsewhere: the trail must still contain it, so that a cut-off end is found too. */
export const VerifyAudit = z.object({
  head: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected the 64 hex digits of a head')
    .optional(),
});
export type VerifyAudit = z.infer<typeof VerifyAudit>;
export const AuditVerification = z
  .object({
    intact: z.boolean(),
    entries: z.number().int(),
    head: z.string().nullable(),
    brokenAt: z.number().int().nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'AuditVerification' });
export type AuditVerification = z.infer<typeof AuditVerification>;
