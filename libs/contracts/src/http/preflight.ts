import { z } from 'zod';
import { Finding } from '../finding.js';
import { PlainText } from '../plain-text.js';
import { Server } from './servers.js';

/** What a server is to be used for, because each needs rights of its own; `log` = following it for recovery to a moment. */
export const BackupUse = z.enum(['logical', 'physical', 'log']);
export type BackupUse = z.infer<typeof BackupUse>;

const Uses = z
  .array(BackupUse)
  .min(1)
  .max(BackupUse.options.length)
  .refine((uses) => new Set(uses).size === uses.length, 'names a use twice');

/** At most so many databases are looked into by one report; of more it says that they were left out. */
export const MOST_DATABASES_LOOKED_INTO = 50;

/** Absent databases = all that may be connected to; absent uses = every one. */
export const PreflightRequest = z
  .object({
    databases: z.array(PlainText.min(1).max(63)).min(1).max(MOST_DATABASES_LOOKED_INTO).optional(),
    uses: Uses.optional(),
  })
  .strict()
  .meta({ id: 'PreflightRequest' });
export type PreflightRequest = z.infer<typeof PreflightRequest>;

/** SQL for an administrator, which may be run again without harm. */
export const Cure = z.object({
  sql: z.string(),
  /** `database` = in the database of its finding. */
  scope: z.enum(['server', 'database']),
  /** It takes effect when the server is started again. */
  restart: z.boolean().optional(),
});
export type Cure = z.infer<typeof Cure>;

export const PreflightSection = z.enum([
  'reach',
  'version',
  'identity',
  'provider',
  'rights',
  'databases',
  'settings',
  'extensions',
  'health',
]);
export type PreflightSection = z.infer<typeof PreflightSection>;

export const PreflightFinding = Finding.extend({
  section: PreflightSection,
  uses: z.array(BackupUse),
  database: z.string().optional(),
  cure: Cure.optional(),
}).meta({ id: 'PreflightFinding' });
export type PreflightFinding = z.infer<typeof PreflightFinding>;

/** Who runs the server for its customers, and so decides what nobody gets there. */
export const ManagedProvider = z.enum(['rds', 'aurora', 'cloud-sql', 'alloydb', 'azure', 'supabase', 'neon']);
export type ManagedProvider = z.infer<typeof ManagedProvider>;

export const PreflightReport = z
  .object({
    reachable: z.boolean(),
    user: z.string(),
    identity: z.string().nullable(),
    version: z.string().nullable(),
    role: z.enum(['primary', 'replica']).nullable(),
    /** `marks`: by what it was told. */
    provider: z.object({ name: ManagedProvider, title: z.string(), marks: z.array(z.string()) }).nullable(),
    /** What was seen, in the order in which it is read. */
    facts: z.array(z.object({ section: PreflightSection, name: z.string(), value: z.string() })),
    findings: z.array(PreflightFinding),
    /** Whether nothing stands in its way. */
    uses: z.array(z.object({ use: BackupUse, usable: z.boolean() })),
    /** Databases that were looked into. */
    databases: z.array(z.string()),
    /** All cures as one script for psql; empty where there is nothing to cure. */
    script: z.string(),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  })
  .meta({ id: 'PreflightReport' });
export type PreflightReport = z.infer<typeof PreflightReport>;

/** PostgreSQL cuts longer names off in silence, and keeps the beginning pg_ for itself. */
const LONGEST_NAME_BYTES = 63;
const RoleName = PlainText.min(1)
  .refine((name) => Buffer.byteLength(name) <= LONGEST_NAME_BYTES, `is longer than ${LONGEST_NAME_BYTES} bytes`)
  .refine((name) => !name.startsWith('pg_'), 'names that begin with pg_ belong to PostgreSQL');

/** The administrator's password is used once and kept nowhere. */
export const CreateBackupUser = z
  .object({
    admin: z.object({ user: z.string().min(1), password: z.string() }).strict(),
    /** Of the role to make; the server's present user gets what it lacks, and keeps its password. */
    user: RoleName.default('rahat_backup'),
    uses: Uses.default(['logical']),
    /** Without pg_read_all_data, which shows password hashes too: each table is granted by itself. Tables of new owners need a grant first. */
    byObject: z.boolean().default(false),
  })
  .strict()
  .meta({ id: 'CreateBackupUser' });
export type CreateBackupUser = z.infer<typeof CreateBackupUser>;

export const MadeBackupUser = z.object({
  user: z.string(),
  /** False where the role was there and got what it lacked. */
  created: z.boolean(),
  /** What this administrator could not give; the report says what it means. */
  notGranted: z.array(z.string()),
  /** Made by the new user itself. */
  report: PreflightReport,
});
export type MadeBackupUser = z.infer<typeof MadeBackupUser>;

/** The server with its new credentials, which are never returned. */
export const BackupUserOfServer = MadeBackupUser.extend({ server: Server }).meta({ id: 'BackupUserOfServer' });
export type BackupUserOfServer = z.infer<typeof BackupUserOfServer>;
