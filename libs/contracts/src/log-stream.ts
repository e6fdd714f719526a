import { z } from 'zod';
import { RahatError } from './rahat-error.js';

/** A place in a write-ahead log: PostgreSQL's `16/B374D848` on a timeline. */
export const LogPosition = z.object({
  timeline: z.number().int().min(1),
  lsn: z
    .string()
    .regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)
    .meta({ examples: ['16/B374D848'] }),
});
export type LogPosition = z.infer<typeof LogPosition>;

/** `16/B374D848` as the number that it is. */
export function lsnOf(text: string): bigint {
  const parts = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
  if (!parts) throw new RahatError('invalid_input', `"${text}" is not a position of a log`);
  return (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`);
}

export function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

/** One contiguous piece of a log as a repository keeps it: its bytes from `start` up to, without, `end`. */
export const LogRange = z.object({
  timeline: z.number().int().min(1),
  start: LogPosition.shape.lsn,
  end: LogPosition.shape.lsn,
  /** Of the first and the last transaction that ends in it, by the source's clock; absent where none does. Only up to the last one can a time be reached. */
  firstCommitAt: z.iso.datetime().optional(),
  lastCommitAt: z.iso.datetime().optional(),
});
export type LogRange = z.infer<typeof LogRange>;

/** Where the recovery of a physical backup stops (PostgreSQL's `recovery_target_*`); `end` replays all that is there. */
export const RecoveryTarget = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('end') }).strict(),
  /** As soon as the base is consistent. */
  z.object({ kind: z.literal('immediate') }).strict(),
  z.object({ kind: z.literal('time'), time: z.iso.datetime({ offset: true }), inclusive: z.boolean().default(true) }).strict(),
  z.object({ kind: z.literal('lsn'), lsn: LogPosition.shape.lsn, inclusive: z.boolean().default(true) }).strict(),
  z
    .object({
      kind: z.literal('transaction'),
      transaction: z
        .string()
        .regex(/^\d{1,20}$/)
        .meta({ examples: ['742'] }),
      inclusive: z.boolean().default(true),
    })
    .strict(),
  z.object({ kind: z.literal('name'), name: z.string().min(1).max(63) }).strict(),
]);
export type RecoveryTarget = z.infer<typeof RecoveryTarget>;

/**
 * How the log of a server comes: `follow` reads it through a replication slot of the server's own, `push` takes the segments that the
 * server's `archive_command` sends.
 */
export const LogWay = z.enum(['follow', 'push']);
export type LogWay = z.infer<typeof LogWay>;

/** What a follower of a log stream is told: a run without an end, one at a time for each stream (design.md §6). */
export const FollowOrder = z.object({
  /** `stream_…`: the log of one server in one repository. */
  stream: z.string(),
  repository: z.string(),
  /** Absent = it is followed, as all was before there was another way. */
  way: LogWay.optional(),
  /** The replication slot that keeps the log on the source until it is committed here. Where the log is pushed there is none of this name. */
  slot: z.string().regex(/^[a-z0-9_]{1,63}$/),
  /** What is committed already; absent at the very first: then the slot is made and the stream begins where the slot does. */
  from: LogPosition.optional(),
  /** The source must still be this one: its system identifier. Absent at the very first. */
  identity: z.string().optional(),
  /** So long a received byte waits for its commit at most, besides the time that the commit itself takes. Of pushed log it is the server's `archive_timeout`. */
  commitSeconds: z.number().min(0.2).max(3600).default(60),
  /** A transaction is made on an idle source after so long, so that a time in the idle hours can be reached; 0 = never. */
  heartbeatSeconds: z.number().int().min(0).default(60),
});
export type FollowOrder = z.infer<typeof FollowOrder>;

/** Why the log of a stream is not whole from one position to another. */
export const LogGapReason = z.enum([
  /** The source removed log that nobody had kept: the slot was dropped, invalidated (`wal_status` lost), or doesn't exist on a promoted standby. */
  'slot_lost',
  /** Another server answers at the address. */
  'source_replaced',
  /** The source went on, on a timeline that doesn't come out of ours at or after what we have. */
  'timeline_diverged',
  /** A segment came damaged or was missing where segments are pushed to us. */
  'segment_missing',
]);
export type LogGapReason = z.infer<typeof LogGapReason>;

/** Of a restore or a test restore of a physical backup: which log is replayed on it, and how far. */
export const Recovery = z
  .object({
    stream: z.string(),
    target: RecoveryTarget,
    /** The history that is followed; absent = to the newest timeline that there is log of. */
    timeline: z.number().int().min(1).optional(),
  })
  .strict();
export type Recovery = z.infer<typeof Recovery>;

/** Where a recovery ended, as the restored server told it. */
export const RecoveryEvidence = z.object({
  target: RecoveryTarget,
  timeline: z.number().int().min(1).optional(),
  reachedLsn: LogPosition.shape.lsn.optional(),
  /** Of the last transaction that is in it. */
  lastTransactionAt: z.iso.datetime({ offset: true }).optional(),
});
export type RecoveryEvidence = z.infer<typeof RecoveryEvidence>;

/** One timeline comes out of another: what a history file says in its last line. */
export const LogBranch = z.object({ timeline: z.number().int().min(2), parent: z.number().int().min(1), at: LogPosition.shape.lsn });
export type LogBranch = z.infer<typeof LogBranch>;

/** How far a follower is. */
export const LogProgress = z
  .object({
    receivedLsn: LogPosition.shape.lsn,
    committedLsn: LogPosition.shape.lsn.optional(),
    serverLsn: LogPosition.shape.lsn,
    /** Written by the source and not committed here. */
    lagBytes: z.number().int().min(0),
    /** Age of the oldest byte that is not committed; 0 = all is. */
    lagSeconds: z.number().min(0).optional(),
  })
  .meta({ id: 'LogProgress' });
export type LogProgress = z.infer<typeof LogProgress>;

/** What a plan may ask of the log beside its base backups. */
export const ContinuousLog = z
  .object({
    commitSeconds: FollowOrder.shape.commitSeconds,
    heartbeatSeconds: FollowOrder.shape.heartbeatSeconds,
    way: FollowOrder.shape.way,
  })
  .strict()
  .meta({ id: 'ContinuousLog' });
export type ContinuousLog = z.infer<typeof ContinuousLog>;

/** Adjacent ones as one; they are in the log's order. */
export function joinedRanges(ranges: readonly LogRange[]): LogRange[] {
  const all: LogRange[] = [];
  for (const range of ranges) {
    const last = all.at(-1);
    if (last?.timeline !== range.timeline || last.end !== range.start) {
      all.push(range);
      continue;
    }
    const firstCommitAt = last.firstCommitAt ?? range.firstCommitAt;
    const lastCommitAt = range.lastCommitAt ?? last.lastCommitAt;
    all[all.length - 1] = {
      ...last,
      end: range.end,
      ...(firstCommitAt === undefined ? {} : { firstCommitAt }),
      ...(lastCommitAt === undefined ? {} : { lastCommitAt }),
    };
  }
  return all;
}
