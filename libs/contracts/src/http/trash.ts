import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { PageQuery } from './page.js';

/** A backup that retention or a person removed, and that can still be brought back. */
export const TrashedBackup = z
  .object({
    backup: z.string(),
    snapshot: z.string(),
    repository: z.string(),
    plan: z.string().nullable(),
    server: z.string(),
    serverName: z.string(),
    database: z.string().nullable(),
    databaseName: z.string().nullable(),
    consistentAt: z.iso.datetime(),
    proof: z.enum(['stored', 'BASIC', 'DATABASE', 'FULL', 'damaged']),
    sizeBytes: z.number(),
    /** What it added to the repository; other backups may need it, too. */
    addedBytes: z.number(),
    removedAt: z.iso.datetime(),
    reason: z.string(),
    /** The first collection after this takes it away for good. */
    undoUntil: z.iso.datetime(),
    state: z.enum(['trashed', 'returning']),
    /** Why it has not come back yet. */
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
  })
  .meta({ id: 'TrashedBackup' });
export type TrashedBackup = z.infer<typeof TrashedBackup>;

export const TrashQuery = PageQuery.extend({ repository: z.string().optional() });
export type TrashQuery = z.infer<typeof TrashQuery>;

/** `POST /api/v2/backups/{id}/remove`: the floor of proven backups, holds and chains are respected. */
export const RemoveBackup = z
  .object({ reason: PlainText.trim().min(1).max(300) })
  .strict()
  .meta({ id: 'RemoveBackup' });
export type RemoveBackup = z.infer<typeof RemoveBackup>;
