import type { LogSink, TimelineHistory } from '@rahat/connector-kit';
import { type LogRange, lsnText, RahatError } from '@rahat/contracts';
import { formatLogTime, LogRecords } from './log-records.js';

/**
 * So much is committed at once at most, and so much more is received while that is under way. Larger ones would spare a storage far
 * away some commits; each MiB here costs the process three (`npm run bench -- --suite postgresql --cases wal`).
 */
const COMMIT_BYTES = 8 << 20;
const BLOCK_BYTES = 1 << 20;
const PAGE_BYTES = 8192n;

interface OpenRange {
  start: bigint;
  end: bigint;
  blocks: Buffer[];
  /** Bytes in the last block. */
  fill: number;
  firstCommitAt?: bigint;
  lastCommitAt?: bigint;
}

/** The sink's own failure: not the source's, so no reason to connect again. */
export class SinkFailure extends RahatError {
  constructor(readonly failure: unknown) {
    const { code, message, hint, retryable } = RahatError.from(failure);
    super(code, message, { hint, retryable, cause: failure });
  }
}

export interface CommitterEvents {
  /** The acknowledgement may go up to here. */
  onCommitted(timeline: number, end: bigint): void;
  onFailed(error: SinkFailure): void;
}

/** Gathers the log of one timeline and commits it range by range, one at a time; what comes meanwhile is gathered for the next. */
export class RangeCommitter {
  /** Behind the last byte taken. */
  received: bigint;
  lastTransactionSeenAt = Date.now();
  private open: OpenRange;
  private committing?: Promise<void>;
  private failure?: { error: unknown };
  private timer?: NodeJS.Timeout;
  private wantedSoon = false;
  private readonly spare: Buffer[] = [];
  private readonly records: LogRecords;
  /** Where the next bytes begin. */
  private expected: bigint;

  constructor(
    private readonly from: { timeline: number; position: bigint; histories: TimelineHistory[] },
    private readonly options: { sink: LogSink; segmentSize: number; commitSeconds: number },
    private readonly events: CommitterEvents,
  ) {
    this.received = from.position;
    this.expected = this.startAt;
    this.open = { start: from.position, end: from.position, blocks: [], fill: BLOCK_BYTES };
    this.records = new LogRecords(this.startAt, options.segmentSize, (event) => {
      if (event.kind !== 'transaction' || event.end <= from.position) return;
      const { open } = this;
      if (open.firstCommitAt === undefined || event.at < open.firstCommitAt) open.firstCommitAt = event.at;
      if (open.lastCommitAt === undefined || event.at > open.lastCommitAt) open.lastCommitAt = event.at;
      this.lastTransactionSeenAt = Date.now();
    });
  }

  /** Where the stream is to begin: a page tells where its records start, so the beginning of ours is had once more. */
  get startAt(): bigint {
    return this.from.position - (this.from.position % PAGE_BYTES);
  }

  /** What waits for its commit. */
  get openBytes(): number {
    return Number(this.open.end - this.open.start);
  }

  /** Waits when both what is being committed and what is gathered are as much as may be kept. */
  async take(start: bigint, bytes: Buffer): Promise<void> {
    if (start !== this.expected)
      throw new RahatError('source_lost', `The server sent its log from ${lsnText(start)} on instead of ${lsnText(this.expected)}`);
    this.expected += BigInt(bytes.length);
    let at = start < this.received ? Math.min(bytes.length, Number(this.received - start)) : 0;
    if (at > 0) this.records.push(bytes.subarray(0, at));
    while (at < bytes.length) {
      this.throwFailure();
      const room = COMMIT_BYTES - this.openBytes;
      const part = bytes.subarray(at, at + room);
      this.append(part);
      at += part.length;
      if (this.openBytes >= COMMIT_BYTES) await this.seal();
    }
    if (this.openBytes > 0) this.timer ??= setTimeout(() => this.commitSoon(), this.options.commitSeconds * 1000);
  }

  /** Commits what is there, or as soon as the commit under way is done. */
  commitSoon(): void {
    if (this.openBytes === 0 || this.failure) return;
    this.wantedSoon = true;
    if (!this.committing) this.begin();
  }

  /** Resolves when everything that was taken is committed. */
  async flush(): Promise<void> {
    await this.seal();
    await this.settled();
    this.throwFailure();
  }

  /** What isn't committed is forgotten; a commit under way is waited for. */
  async drop(): Promise<void> {
    clearTimeout(this.timer);
    this.failure ??= { error: new RahatError('cancelled', 'The follower ended') };
    await this.settled();
  }

  /** One commit may begin as another ends. */
  private async settled(): Promise<void> {
    while (this.committing) await this.committing;
  }

  private append(bytes: Buffer): void {
    const { open } = this;
    let at = 0;
    while (at < bytes.length) {
      if (open.fill === BLOCK_BYTES) {
        open.blocks.push(this.spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES));
        open.fill = 0;
      }
      const copied = bytes.copy(open.blocks[open.blocks.length - 1]!, open.fill, at);
      open.fill += copied;
      at += copied;
    }
    this.received += BigInt(bytes.length);
    open.end = this.received;
    this.records.push(bytes);
  }

  private async seal(): Promise<void> {
    await this.settled();
    this.throwFailure();
    if (this.openBytes > 0) this.begin();
  }

  private begin(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.wantedSoon = false;
    const range = this.open;
    this.open = { start: range.end, end: range.end, blocks: [], fill: BLOCK_BYTES };
    this.committing = this.commit(range)
      .catch((error: unknown) => {
        const failure = new SinkFailure(error);
        this.failure ??= { error: failure };
        this.events.onFailed(failure);
      })
      .finally(() => {
        this.committing = undefined;
        if (this.wantedSoon && !this.failure) this.begin();
      });
  }

  private async commit(range: OpenRange): Promise<void> {
    const { timeline, histories } = this.from;
    const described: LogRange = {
      timeline,
      start: lsnText(range.start),
      end: lsnText(range.end),
      ...(range.firstCommitAt !== undefined && { firstCommitAt: formatLogTime(range.firstCommitAt) }),
      ...(range.lastCommitAt !== undefined && { lastCommitAt: formatLogTime(range.lastCommitAt) }),
    };
    let whole = false;
    const { spare } = this;
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let block = range.blocks.shift(); block; block = range.blocks.shift()) {
        yield range.blocks.length === 0 ? block.subarray(0, range.fill) : block;
        // Lent only: what comes meanwhile is gathered in it.
        spare.push(block);
      }
      whole = true;
    }
    await this.options.sink.commit({ timeline, lsn: described.start }, body(), () => described, histories);
    if (!whole) throw new RahatError('internal', 'A range of the log was committed without being read to its end');
    // They go with the first commit on its timeline only.
    histories.length = 0;
    this.events.onCommitted(timeline, range.end);
  }

  private throwFailure(): void {
    if (this.failure) throw this.failure.error as Error;
  }
}
