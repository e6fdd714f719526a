import type { Finding, FollowOrder, LogBranch, LogGapReason, LogPosition, LogRange, RahatError, RecoveryTarget } from '@rahat/contracts';

export type FollowRequest = FollowOrder & {
  /** Names the attempt on the server (application_name). */
  label: string;
};

/** `findings`: what was seen of the source on the way, e.g. a slot that keeps too much. */
export type FollowEnd = { findings: Finding[] } & (
  | { reason: 'stopped'; position?: LogPosition }
  | {
      reason: 'gap';
      gap: LogGapReason;
      /** Up to which everything is committed. */
      position?: LogPosition;
      message: string;
    }
);

/** Where a timeline comes from, and what the source says of it in its own words. */
export interface TimelineHistory {
  branch: LogBranch;
  content: Buffer;
}

export interface LogSink {
  /**
   * Pulls `body` to its end, then asks `range` once. Resolves when it is committed: only then is it acknowledged to the source.
   * Pieces of the body are lent: each is used or copied before the next is asked for. Called one at a time, in the log's order.
   */
  commit(start: LogPosition, body: AsyncIterable<Uint8Array>, range: () => LogRange, histories: readonly TimelineHistory[]): Promise<void>;
  /** Between commits: how far the source has written, and how much of it came, for the lag. */
  seen(serverLsn: string, receivedLsn: string, at: string): void;
}

/** A segment of the log that the server's own `archive_command` hands over, and waits for. */
export interface PushedSegment {
  /** `000000010000000000000042` */
  readonly name: string;
  readonly sizeBytes: number;
  /**
   * Once. The body ends only where all of it came as it was sent; else it rejects. `histories`: what the server archived of where
   * timelines come from, by timeline.
   */
  open(): Promise<{ histories: ReadonlyMap<number, Buffer>; body: AsyncIterable<Buffer> }>;
  /** Once, when it is committed, or will not be. */
  settle(verdict: { outcome: 'stored' | 'known' } | { outcome: 'refused'; error: RahatError }): void;
}

/** A piece of a stream as it was committed. */
export interface CommittedPiece {
  timeline: number;
  start: bigint;
  end: bigint;
  /** Hex, of its bytes. */
  sha256: string;
}

export interface PushedLogSink extends LogSink {
  /** Those that hold something of [start, end), in any order. May overlap. */
  committed(timeline: number, start: bigint, end: bigint): Promise<CommittedPiece[]>;
  /** What was pushed again: whoever keeps the books may not have heard of it. */
  known(range: LogRange): void;
}

/** The log of one server as a repository holds it. */
export interface LogSource {
  /** May touch and overlap; of several timelines. */
  readonly ranges: readonly LogRange[];
  /** By timeline: what the server says of where it comes from. */
  readonly histories: ReadonlyMap<number, Buffer>;
  /** Lends its pieces. Rejects when a byte of it is missing or damaged. */
  read(timeline: number, start: bigint, end: bigint): AsyncIterable<Buffer>;
}

export interface LogRecovery {
  target: RecoveryTarget;
  /** Absent: the newest that comes out of the base backup's. */
  timeline?: number;
  /** What the restored server does when it is there: take writes, or wait to be looked at (`pg_wal_replay_resume()` opens it). Absent: promote. */
  action?: 'promote' | 'pause';
  log: LogSource;
}

/** Where a recovery ended, as the restored server told it. */
export interface RecoveryFacts {
  timeline: number;
  reachedLsn?: string;
  /** Of the last transaction that is in it. */
  lastTransactionAt?: string;
}
