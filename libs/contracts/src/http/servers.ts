import { z } from 'zod';
import { PostgresqlAddress } from '../connection.js';
import { Finding } from '../finding.js';
import { BackupMethod, Engine } from '../labels.js';
import { PlainText } from '../plain-text.js';

const Name = PlainText.trim().min(1).max(100);

/** Give `url` (postgresql://user:password@host:port/db?sslmode=…) or `address` with `password`. The password is never returned. */
export const CreateServer = z
  .object({
    name: Name,
    engine: Engine.default('postgresql'),
    url: z.string().optional(),
    address: PostgresqlAddress.optional(),
    password: z.string().optional(),
    pool: z.string().default('default'),
  })
  .strict()
  .meta({ id: 'CreateServer' });
export type CreateServer = z.infer<typeof CreateServer>;

export const Server = z
  .object({
    id: z.string(),
    name: z.string(),
    engine: Engine,
    address: PostgresqlAddress,
    pool: z.string(),
    identity: z.string().nullable(),
    version: z.string().nullable(),
    passwordSetAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    /** True for the platform's own metadata database. */
    platform: z.boolean(),
  })
  .meta({ id: 'Server' });
export type Server = z.infer<typeof Server>;

export const ProbeReport = z
  .object({
    reachable: z.boolean(),
    identity: z.string().nullable(),
    version: z.string().nullable(),
    latencyMs: z.number().nullable(),
    tls: z.boolean(),
    steps: z.array(z.object({ name: z.string(), ok: z.boolean(), ms: z.number(), detail: z.string().optional() })),
    methods: z.array(z.object({ method: BackupMethod, usable: z.boolean(), findings: z.array(Finding) })),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  })
  .meta({ id: 'ProbeReport' });
export type ProbeReport = z.infer<typeof ProbeReport>;

export const Database = z
  .object({
    id: z.string(),
    server: z.string(),
    name: z.string(),
    sizeBytes: z.number(),
    encoding: z.string(),
    collation: z.string(),
    excluded: z.boolean(),
    discoveredAt: z.iso.datetime(),
    missingSince: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Database' });
export type Database = z.infer<typeof Database>;

/** Changes what is named; a new address or password is tested by the next run. `url` as in CreateServer. */
export const UpdateServer = z
  .object({
    name: Name.optional(),
    url: z.string().optional(),
    address: PostgresqlAddress.optional(),
    password: z.string().optional(),
    pool: z.string().optional(),
  })
  .strict()
  .meta({ id: 'UpdateServer' });
export type UpdateServer = z.infer<typeof UpdateServer>;

/** An excluded database is left out by plans that say `all`. */
export const UpdateDatabase = z.object({ excluded: z.boolean() }).strict().meta({ id: 'UpdateDatabase' });
export type UpdateDatabase = z.infer<typeof UpdateDatabase>;
