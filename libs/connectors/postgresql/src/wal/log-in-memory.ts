import { createHash } from 'node:crypto';
import type { CommittedPiece, LogSource, PushedLogSink, TimelineHistory } from '@rahat/connector-kit';
import { type LogPosition, type LogRange, lsnText, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';

/** The repository's part in this folder's specs: keeps what a follower commits, and lets a test hinder and damage it. */
export class LogInMemory implements PushedLogSink, LogSource {
  readonly kept: { range: LogRange; bytes: Buffer }[] = [];
  readonly histories = new Map<number, Buffer>();
  /** What was pushed again. */
  readonly knownAgain: LogRange[] = [];
  serverLsn = '0/0';
  /** Called when a commit's body was taken and before it is acknowledged. */
  onCommit: (range: LogRange) => Promise<void> | void = () => undefined;
  onCommitted: (range: LogRange) => void = () => undefined;

  get ranges(): LogRange[] {
    return this.kept.map(({ range }) => range);
  }

  /** Behind the last byte that is kept. */
  get end(): LogPosition {
    const last = this.kept.at(-1)?.range;
    return last ? { timeline: last.timeline, lsn: last.end } : { timeline: 1, lsn: '0/0' };
  }

  async commit(
    start: LogPosition,
    body: AsyncIterable<Uint8Array>,
    range: () => LogRange,
    histories: readonly TimelineHistory[],
  ): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(Buffer.from(piece));
    const described = range();
    const bytes = Buffer.concat(pieces);
    const length = parseLogPosition(described.end) - parseLogPosition(described.start);
    if (start.lsn !== described.start || start.timeline !== described.timeline || BigInt(bytes.length) !== length || length <= 0n)
      throw new Error(`A range ${JSON.stringify(described)} came with ${bytes.length} bytes from ${start.lsn}`);
    await this.onCommit(described);
    this.kept.push({ range: described, bytes });
    for (const { branch, content } of histories) this.histories.set(branch.timeline, content);
    this.onCommitted(described);
  }

  async committed(timeline: number, start: bigint, end: bigint): Promise<CommittedPiece[]> {
    return this.kept
      .map(({ range, bytes }) => ({
        timeline: range.timeline,
        start: parseLogPosition(range.start),
        end: parseLogPosition(range.end),
        sha256: createHash('sha256').update(bytes).digest('hex'),
      }))
      .filter((piece) => piece.timeline === timeline && piece.start < end && piece.end > start);
  }

  known(range: LogRange): void {
    this.knownAgain.push(range);
  }

  seen(serverLsn: string): void {
    this.serverLsn = serverLsn;
  }

  async *read(timeline: number, start: bigint, end: bigint): AsyncGenerator<Buffer> {
    let at = start;
    while (at < end) {
      const found = this.kept.find(
        ({ range }) => range.timeline === timeline && parseLogPosition(range.start) <= at && parseLogPosition(range.end) > at,
      );
      if (!found) throw new RahatError('dump_invalid', `The log has nothing at ${lsnText(at)} of timeline ${timeline}`);
      const from = Number(at - parseLogPosition(found.range.start));
      const piece = Buffer.from(found.bytes.subarray(from, Math.min(found.bytes.length, from + Number(end - at))));
      at += BigInt(piece.length);
      yield piece;
      piece.fill(0);
    }
  }
}
