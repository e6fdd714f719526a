import { z } from 'zod';
import { LogStream } from './windows.js';

/** One line per protected database: what `/`, `rahat-backup status` and checks show. Computed from restorable backups, never from run history. */
export const DatabaseStatus = z
  .object({
    server: z.string(),
    serverName: z.string(),
    database: z.string().nullable(),
    databaseName: z.string(),
    plan: z.string().nullable(),
    planName: z.string().nullable(),
    state: z.enum(['proven', 'stored', 'overdue', 'failing', 'never', 'unprotected']),
    lastBackupAt: z.iso.datetime().nullable(),
    lastProvenAt: z.iso.datetime().nullable(),
    lastProof: z.string().nullable(),
    /** How much would be lost now: since the state that the newest restorable backup holds. */
    backupAgeSeconds: z.number().int().nullable(),
    /** Since a test restore proved one of the backups that are there. */
    proofAgeSeconds: z.number().int().nullable(),
    /** How old the newest backup may become by the plan's schedules; null = the plan is run by hand, or paused. */
    allowedAgeSeconds: z.number().int().nullable(),
    nextRunAt: z.iso.datetime().nullable(),
    backups: z.number().int(),
    failuresSinceSuccess: z.number().int(),
    lastError: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
  })
  .meta({ id: 'DatabaseStatus' });
export type DatabaseStatus = z.infer<typeof DatabaseStatus>;

export const Status = z
  .object({
    healthy: z.boolean(),
    sentence: z.string(),
    databases: z.array(DatabaseStatus),
    streams: z.array(LogStream),
    at: z.iso.datetime(),
  })
  .meta({ id: 'Status' });
export type Status = z.infer<typeof Status>;
