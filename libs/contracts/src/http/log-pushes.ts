import { z } from 'zod';

/** With it a server's `archive_command` may push segments of that one server's log, and nothing else. */
export const LogPushToken = z
  .object({
    id: z.string(),
    server: z.string(),
    createdAt: z.iso.datetime(),
    createdBy: z.object({ id: z.string(), name: z.string() }),
    /** About when; null = never. */
    lastUsedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'LogPushToken' });
export type LogPushToken = z.infer<typeof LogPushToken>;

export const CreateLogPushToken = z
  .object({
    /** How the database server reaches this platform. */
    url: z
      .url({ protocol: /^https?$/ })
      // In archive_command it stands between quotes of the shell, and % is PostgreSQL's.
      .regex(/^[A-Za-z0-9:/.[\]_-]+$/)
      .max(500)
      .meta({ examples: ['https://backup.example.org'] }),
    /** Where the token is kept on the database server. */
    file: z
      .string()
      .regex(/^\/[A-Za-z0-9/._-]{1,200}$/)
      .default('/etc/rahat/push.conf'),
    /** What an idle server pushes after so long at the latest: how much a lost server costs. */
    archiveTimeoutSeconds: z.number().int().min(1).max(86_400).default(60),
  })
  .strict()
  .meta({ id: 'CreateLogPushToken' });
export type CreateLogPushToken = z.infer<typeof CreateLogPushToken>;

/** What to do on the database server, ready to copy. */
export const LogPushSettings = z
  .object({
    /** Readable by the user that PostgreSQL runs as and nobody else (`mode`): it holds the token, so that no command line does. */
    file: z.object({ path: z.string(), mode: z.string(), content: z.string() }),
    archiveCommand: z.string(),
    /** For psql as a superuser; PostgreSQL has to be restarted where `archive_mode` was off. */
    sql: z.string(),
  })
  .meta({ id: 'LogPushSettings' });
export type LogPushSettings = z.infer<typeof LogPushSettings>;

export const CreatedLogPushToken = LogPushToken.extend({
  /** Shown this once. */
  secret: z.string(),
  settings: LogPushSettings,
}).meta({ id: 'CreatedLogPushToken' });
export type CreatedLogPushToken = z.infer<typeof CreatedLogPushToken>;

/** The newest first. */
export const LogPushTokens = z.object({ data: z.array(LogPushToken) }).meta({ id: 'LogPushTokens' });
export type LogPushTokens = z.infer<typeof LogPushTokens>;
