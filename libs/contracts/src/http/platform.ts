import { z } from 'zod';
import { PostgresqlConnection } from '../connection.js';
import { RunState } from '../labels.js';
import { Backup, Run } from './runs.js';

/** `POST /internal/v1/platform-protection`: standalone asks the scheduler to protect the platform's own metadata database. Idempotent. */
export const ProtectPlatform = z.object({ organization: z.string(), connection: PostgresqlConnection, repository: z.string() }).strict();
export type ProtectPlatform = z.infer<typeof ProtectPlatform>;

/** How far the platform's own protection is; `proven` once one of its backups that are still there passed a test restore. */
export const PlatformProtection = z
  .object({
    protected: z.boolean(),
    server: z.string().nullable(),
    plan: z.string().nullable(),
    proven: z.boolean(),
    provenAt: z.iso.datetime().nullable(),
    /** The newest run of any type for the platform, and its state, so that a start can follow it. */
    run: Run.nullable(),
    state: RunState.nullable(),
    backup: Backup.nullable(),
  })
  .meta({ id: 'PlatformProtection' });
export type PlatformProtection = z.infer<typeof PlatformProtection>;

/** What whoever started the services tells the first person: the default organization, and a set-up token while there is no owner. */
export const FirstStartAnswer = z.object({ organization: z.string(), setupToken: z.string().nullable() });
export type FirstStartAnswer = z.infer<typeof FirstStartAnswer>;
