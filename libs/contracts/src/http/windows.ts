import { z } from 'zod';
import { LogGapReason, LogPosition, LogWay } from '../log-stream.js';

const lsn = LogPosition.shape.lsn;

/** One piece of the way from a base backup through the log. */
export const TimelineSpan = z
  .object({
    timeline: z.number().int(),
    /** null = it is where the window begins. */
    parent: z.number().int().nullable(),
    start: lsn,
    end: lsn,
    /** Of the last transaction in it; null = there is none. */
    lastCommitAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'TimelineSpan' });
export type TimelineSpan = z.infer<typeof TimelineSpan>;

/** Every second from `from` to `to` can be recovered. */
export const RecoverableWindow = z
  .object({
    stream: z.string(),
    repository: z.string(),
    from: z.iso.datetime(),
    /** The last transaction in committed log: no later moment can be told from it. */
    to: z.iso.datetime(),
    /** The way that is followed when no timeline is named, oldest first. */
    timelines: z.array(TimelineSpan),
    /** Ways that the source left: reachable by naming the timeline. */
    abandoned: z.array(TimelineSpan),
    /** Oldest first. */
    backups: z.array(z.string()),
    /** The log is still being followed from its end. */
    open: z.boolean(),
  })
  .meta({ id: 'RecoverableWindow' });
export type RecoverableWindow = z.infer<typeof RecoverableWindow>;

export const LogGap = z
  .object({
    stream: z.string(),
    reason: LogGapReason,
    message: z.string(),
    timeline: z.number().int().nullable(),
    start: lsn.nullable(),
    /** null = the log has not begun again. */
    end: lsn.nullable(),
    /** Of the last transaction before it. */
    from: z.iso.datetime().nullable(),
    /** Of the first transaction after it. */
    to: z.iso.datetime().nullable(),
    foundAt: z.iso.datetime(),
  })
  .meta({ id: 'LogGap' });
export type LogGap = z.infer<typeof LogGap>;

export const LogStream = z
  .object({
    id: z.string(),
    plan: z.string(),
    server: z.string(),
    serverName: z.string(),
    repository: z.string(),
    /** Where it is pushed there is none of this name. */
    slot: z.string(),
    way: LogWay,
    /** `lagging`: more than three commits behind; `broken`: nobody follows it, and why stands in `message`. */
    state: z.enum(['starting', 'following', 'lagging', 'broken', 'paused', 'stopping', 'stopped']),
    message: z.string().nullable(),
    run: z.string().nullable(),
    timeline: z.number().int().nullable(),
    committedLsn: lsn.nullable(),
    serverLsn: lsn.nullable(),
    /** Written by the source and not committed here. */
    lagBytes: z.number().nullable(),
    /** How much would be lost now: since all that was written is committed. */
    lagSeconds: z.number().nullable(),
    lastCommitAt: z.iso.datetime().nullable(),
    /** Bytes of log that are kept. */
    retainedBytes: z.number(),
    gaps: z.number().int(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'LogStream' });
export type LogStream = z.infer<typeof LogStream>;

/** `GET /api/v2/servers/{id}/windows`. */
export const ServerWindows = z
  .object({
    server: z.string(),
    /** Of the newest window; null = no moment can be recovered. */
    from: z.iso.datetime().nullable(),
    to: z.iso.datetime().nullable(),
    /** Oldest first. */
    windows: z.array(RecoverableWindow),
    gaps: z.array(LogGap),
    /** Physical backups that no log follows: they hold their own moment, and no other. */
    withoutLog: z.array(z.string()),
    streams: z.array(LogStream),
  })
  .meta({ id: 'ServerWindows' });
export type ServerWindows = z.infer<typeof ServerWindows>;
