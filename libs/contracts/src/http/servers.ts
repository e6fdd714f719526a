import { z } from 'zod';
import { ConnectionKeyName, ConnectionKeys, PostgresqlAddress, ServerAuthentication, SshTunnel } from '../connection.js';
import { Finding } from '../finding.js';
import { BackupMethod, Engine } from '../labels.js';
import { BlackoutWindows } from '../blackouts.js';
import { PlainText } from '../plain-text.js';
import { StandbyAddress } from '../source-limits.js';
import { TagFilter, Tags } from '../tags.js';
import { SearchFilters } from './annotations.js';
import { PageQuery } from './page.js';

const Name = PlainText.trim().min(1).max(100);
const shape = {
  groups: z.array(z.string()).max(100),
  tags: Tags,
  /** Runs at once that load the server itself: backups and restores. */
  heavyRuns: z.number().int().min(1).max(100),
  /** How often it is asked for new and vanished databases while a plan says `all` or patterns; null = as the platform is configured. */
  discoveryMinutes: z.number().int().min(1).max(10_080).nullable(),
  blackouts: BlackoutWindows,
  /** From which a plan may read instead; nothing is restored to them. */
  standbys: z.array(StandbyAddress).max(10),
};

/** What a URL can't say of an address, beside it; within `address` it stands by itself. */
const besideUrl = {
  tlsCa: PostgresqlAddress.shape.tlsCa,
  tlsCertificate: PostgresqlAddress.shape.tlsCertificate,
  ssh: SshTunnel.optional(),
  authentication: ServerAuthentication.optional(),
};

/**
 * Give `url` (postgresql://user:password@host:port/db?sslmode=…) or `address`, with `password` or `authentication`. The password and
 * the keys are never returned.
 */
export const CreateServer = z
  .object({
    name: Name,
    engine: Engine.default('postgresql'),
    url: z.string().optional(),
    address: PostgresqlAddress.optional(),
    ...besideUrl,
    password: z.string().optional(),
    keys: ConnectionKeys.optional(),
    pool: z.string().default('default'),
    groups: shape.groups.default([]),
    tags: shape.tags.default([]),
    heavyRuns: shape.heavyRuns.default(1),
    discoveryMinutes: shape.discoveryMinutes.default(null),
    blackouts: shape.blackouts.default([]),
    standbys: shape.standbys.default([]),
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
    ...shape,
    identity: z.string().nullable(),
    version: z.string().nullable(),
    /** Where `authentication` of the address takes its place: when that was saved. */
    passwordSetAt: z.iso.datetime(),
    /** Which keys are kept. */
    keys: z.array(ConnectionKeyName),
    createdAt: z.iso.datetime(),
    /** True for the platform's own metadata database. */
    platform: z.boolean(),
    note: z.string(),
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
    tags: z.array(z.string()),
    discoveredAt: z.iso.datetime(),
    missingSince: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Database' });
export type Database = z.infer<typeof Database>;

/** Changes what is named; a new address, password or key is tested by the next run. `url` as in CreateServer; `keys` replaces all keys. */
export const UpdateServer = z
  .object({
    name: Name.optional(),
    url: z.string().optional(),
    address: PostgresqlAddress.optional(),
    ...besideUrl,
    password: z.string().optional(),
    keys: ConnectionKeys.optional(),
    pool: z.string().optional(),
    groups: shape.groups.optional(),
    tags: shape.tags.optional(),
    heavyRuns: shape.heavyRuns.optional(),
    discoveryMinutes: shape.discoveryMinutes.optional(),
    blackouts: shape.blackouts.optional(),
    standbys: shape.standbys.optional(),
  })
  .strict()
  .meta({ id: 'UpdateServer' });
export type UpdateServer = z.infer<typeof UpdateServer>;

/** An excluded database is left out by plans that don't name it. */
export const UpdateDatabase = z.object({ excluded: z.boolean().optional(), tags: Tags.optional() }).strict().meta({ id: 'UpdateDatabase' });
export type UpdateDatabase = z.infer<typeof UpdateDatabase>;

export const ServerQuery = PageQuery.extend({ group: z.string().optional(), tag: TagFilter.optional(), q: SearchFilters.q });
export type ServerQuery = z.infer<typeof ServerQuery>;

export const DatabaseQuery = z.object({ tag: TagFilter.optional() });
export type DatabaseQuery = z.infer<typeof DatabaseQuery>;
