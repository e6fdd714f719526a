import { z } from 'zod';
import { Moment } from '../moment.js';
import { PageQuery } from './page.js';

const values = z.record(z.string(), z.unknown());
const oneLine = z.string().min(1).max(200);

export const AuditEntry = z
  .object({
    id: z.string(),
    sequence: z.number().int(),
    at: z.iso.datetime(),
    actor: z.object({ kind: z.string(), id: z.string(), name: z.string(), address: z.string().nullable() }),
    action: z.string(),
    target: z.object({ kind: z.string(), id: z.string(), name: z.string().nullable() }),
    /** The members that the act changed; of a credential only that it changed. */
    before: values.nullable(),
    after: values.nullable(),
    details: values,
    /** Id of the request that the act came with. */
    request: z.string().nullable(),
    previousHash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;

export const AuditQuery = PageQuery.extend({
  /** Id of a user or an API key, or the name of a service. */
  actor: oneLine.optional(),
  /** An action or its beginning: `server.` finds all that was done to servers. */
  action: z
    .string()
    .max(100)
    .regex(/^[a-z][a-z0-9._-]*$/, 'expected an action or its beginning, as server.updated or server.')
    .optional(),
  targetKind: oneLine.optional(),
  /** Id of what was acted upon. */
  target: oneLine.optional(),
  address: oneLine.optional(),
  request: oneLine.optional(),
  from: Moment.optional(),
  to: Moment.optional(),
  /** Words, or their beginnings, that all occur in the entry. */
  q: oneLine.optional(),
});
export type AuditQuery = z.infer<typeof AuditQuery>;

export const AuditEntryPlace = z.object({ sequence: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });
export type AuditEntryPlace = z.infer<typeof AuditEntryPlace>;

/** `head` of an earlier verification or a signed head, noted elsewhere: the trail must still contain it, so that a cut-off end is found too. */
export const VerifyAudit = z.object({
  head: z
    .string()
    .max(2_000)
    .regex(/^([0-9a-f]{64}|[\w-]+\.[\w-]+\.[\w-]+)$/, 'expected the 64 hex digits of a head, or a signed head')
    .optional(),
});
export type VerifyAudit = z.infer<typeof VerifyAudit>;

export const AuditVerification = z
  .object({
    intact: z.boolean(),
    /** How many entries were found in order. */
    entries: z.number().int(),
    /** Hash of the last of them … */
    head: z.string().nullable(),
    /** … and its number. */
    sequence: z.number().int(),
    /** The entries up to this one were dropped by the organization's own policy, as a signed mark says. */
    droppedThrough: z.number().int().nullable(),
    signedHeads: z.number().int(),
    brokenAt: z.number().int().nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'AuditVerification' });
export type AuditVerification = z.infer<typeof AuditVerification>;

export const AuditHead = z
  .object({
    sequence: z.number().int(),
    /** Compact JWS (ES256) over organization, sequence, hash and time. */
    signed: z.string(),
    signedAt: z.iso.datetime(),
  })
  .meta({ id: 'AuditHead' });
export type AuditHead = z.infer<typeof AuditHead>;

export const AuditKeys = z
  .object({
    keys: z.array(
      z.object({ kid: z.string(), kty: z.string(), crv: z.string(), x: z.string(), y: z.string(), alg: z.string(), use: z.string() }),
    ),
  })
  .meta({ id: 'AuditKeys' });
export type AuditKeys = z.infer<typeof AuditKeys>;

/** The shortest time that a trail may be kept. */
const LEAST_DAYS = 90;
export const AuditRetention = z
  .object({
    /** null: for ever. */
    keepDays: z.number().int().min(LEAST_DAYS).max(36_500).nullable(),
  })
  .strict()
  .meta({ id: 'AuditRetention' });
export type AuditRetention = z.infer<typeof AuditRetention>;

export const ExportAudit = z.object({
  format: z.enum(['jsonl', 'csv']).default('jsonl'),
  /** Only what came after this entry, to go on from an earlier export. */
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
});
export type ExportAudit = z.infer<typeof ExportAudit>;
