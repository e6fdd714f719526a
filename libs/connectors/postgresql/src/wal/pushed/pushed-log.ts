import type { CommittedPiece, Job, PushedLogSink, PushedSegment } from '@rahat/connector-kit';
import { type LogRange, lsnText, parseLogFileName, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import type { Place } from '../follow-position.js';
import { formatLogTime, type LogEvent, LogRecords } from '../log-records.js';
import { SinkFailure } from '../range-committer.js';
import type { TimelineStep } from '../timeline-history.js';
import { readSegment } from './read-segment.js';
import { damaged, type ExpectedSegment } from './segment-header.js';
import { type Piece, piecesOf, placeOfSegment, planSegment, type SegmentPlan } from './segment-plan.js';
import { WayOfPushed } from './way-of-pushed.js';

const END_OF_LOG = 2n ** 64n;
/** A checkpoint of an idle server takes less of a new segment; the server sees no reason to archive that. */
const IDLE_BYTES = 8192n;

/** A pushed segment while it is read. */
interface Reading {
  expected: ExpectedSegment;
  body: AsyncIterable<Buffer>;
  way: TimelineStep[];
}

/** The log of one server as it comes in segments: compared with what is kept where something is, else committed, a whole segment at once. */
export class PushedLog {
  /** The furthest that is committed. */
  reached?: Place;
  lastTransactionSeenAt = Date.now();
  /** What begins here is committed nowhere, and nothing behind it: nobody else commits. */
  private tip?: Place;
  private readonly ways: WayOfPushed;
  /** Timelines whose history is committed or needs none. */
  private readonly knownHistories = new Set<number>();
  /** Reads on from one segment into the next. */
  private records?: { reader: LogRecords; position: bigint };
  private onEvent: (event: LogEvent) => void = () => undefined;

  constructor(
    connection: PostgresqlConnection,
    private readonly orders: { identity: string; from?: Place; label: string },
    private readonly sink: PushedLogSink,
    private readonly job: Job,
  ) {
    this.ways = new WayOfPushed(connection, { label: orders.label, signal: job.signal });
    this.reached = orders.from;
    if (orders.from) this.knownHistories.add(orders.from.timeline);
  }

  get reachedLsn(): string {
    return lsnText(this.reached?.position ?? 0n);
  }

  /** How far the server has written, as far as that is something to wait for. */
  reachedOr(written: bigint): string {
    const { reached } = this;
    return reached && written < reached.position + IDLE_BYTES ? this.reachedLsn : lsnText(written);
  }

  /** Resolves when the segment is committed, or was before. Rejects with SinkFailure where that is nothing of the segment's. */
  async take(segment: PushedSegment): Promise<'stored' | 'known'> {
    const named = parseLogFileName(segment.name);
    if (named?.kind !== 'segment') throw damaged(`${segment.name} is not the name of a segment`);
    const place = placeOfSegment(named, segment.name, segment.sizeBytes);
    const { histories, body } = await segment.open();
    this.ways.learn(histories);
    const way = await this.ways.to(place.timeline);
    const pieces = piecesOf(place, way);
    const { committed, last } = await this.committedOf(pieces);
    this.tip = undefined;
    const plan = planSegment(pieces, committed);
    const expected: ExpectedSegment = {
      name: segment.name,
      start: place.start,
      sizeBytes: segment.sizeBytes,
      timeline: pieces[0]!.timeline,
      identity: this.orders.identity,
    };
    const reading = { expected, body, way };
    const [missing, ...others] = plan.missing;
    if (missing) await this.commit(reading, plan, missing);
    else await this.compare(reading, plan, pieces);
    // A body comes once, and one timeline is committed at a time.
    if (others.length > 0)
      throw new RahatError(
        'unavailable',
        `${segment.name} holds the end of one timeline and the beginning of another. The former is stored`,
        {
          hint: 'The server pushes it again by itself, and the rest is taken then.',
        },
      );
    if (last) this.tip = { timeline: pieces.at(-1)!.timeline, position: place.end };
    return missing ? 'stored' : 'known';
  }

  /** `last`: on the segment's timeline nothing is committed behind it. */
  private async committedOf(pieces: readonly Piece[]): Promise<{ committed: CommittedPiece[]; last: boolean }> {
    const newest = pieces.at(-1)!;
    const { tip } = this;
    if (pieces.length === 1 && tip?.timeline === newest.timeline && tip.position === newest.start) return { committed: [], last: true };
    const found = await Promise.all(
      pieces.map((piece) =>
        this.sink
          .committed(piece.timeline, piece.start, piece === newest ? END_OF_LOG : piece.end)
          .catch((error: unknown) => Promise.reject(new SinkFailure(error))),
      ),
    );
    const committed = found.flat();
    return { committed, last: !committed.some(({ timeline, end }) => timeline === newest.timeline && end > newest.end) };
  }

  private async compare(reading: Reading, plan: SegmentPlan, pieces: readonly Piece[]): Promise<void> {
    const { times, bytes } = this.recorded(reading, plan, pieces);
    for await (const _none of bytes) void _none;
    for (const [index, piece] of pieces.entries()) {
      this.sink.known({ ...described(piece), ...times[index]?.range() });
      this.reach(piece);
    }
  }

  private async commit(reading: Reading, plan: SegmentPlan, piece: Piece): Promise<void> {
    const { times, bytes } = this.recorded(reading, plan, [piece], piece);
    let refused: unknown;
    let whole = false;
    async function* body(): AsyncGenerator<Buffer> {
      try {
        yield* bytes;
        whole = true;
      } catch (error) {
        refused = error;
        throw error;
      }
    }
    const range = (): LogRange => ({ ...described(piece), ...times[0]?.range() });
    const histories = this.knownHistories.has(piece.timeline)
      ? []
      : this.ways.histories(
          reading.way.filter(({ timeline }) => timeline <= piece.timeline),
          this.knownHistories,
        );
    try {
      await this.sink.commit({ timeline: piece.timeline, lsn: lsnText(piece.start) }, body(), range, histories);
    } catch (error) {
      throw refused ?? new SinkFailure(error);
    }
    if (!whole) throw new RahatError('internal', 'A segment of the log was committed without being read to its end');
    this.knownHistories.add(piece.timeline);
    this.reach(piece);
  }

  /** The bytes that are wanted of a segment, and the times of the transactions in its pieces once they passed. */
  private recorded({ expected, body }: Reading, { compare }: SegmentPlan, pieces: readonly Piece[], wanted?: Piece) {
    const times = pieces.map((piece) => new CommitTimes(piece));
    const { start, sizeBytes } = expected;
    const goesOn = this.records?.position === start ? this.records.reader : undefined;
    const reader = goesOn ?? new LogRecords(start, sizeBytes, (event) => this.onEvent(event));
    // Whatever ends in the middle leaves a reader that doesn't fit the next segment.
    this.records = undefined;
    this.onEvent = (event) => {
      if (event.kind !== 'transaction') return;
      for (const each of times) each.note(event);
      this.lastTransactionSeenAt = Date.now();
    };
    const bytes = readSegment(body, expected, { compare, wanted }, (next) => reader.push(next));
    return { times, bytes: this.readTo(bytes, { reader, position: start + BigInt(sizeBytes) }) };
  }

  private async *readTo(bytes: AsyncIterable<Buffer>, end: { reader: LogRecords; position: bigint }): AsyncGenerator<Buffer> {
    yield* bytes;
    this.records = end;
    this.job.progress({ phase: 'following', object: lsnText(end.position), bytes: Number(end.position) });
  }

  private reach({ timeline, end }: Piece): void {
    const { reached } = this;
    if (reached && (timeline < reached.timeline || (timeline === reached.timeline && end <= reached.position))) return;
    this.reached = { timeline, position: end };
  }
}

function described({ timeline, start, end }: Piece) {
  return { timeline, start: lsnText(start), end: lsnText(end) };
}

/** Of the transactions that end in a piece. */
class CommitTimes {
  private first?: bigint;
  private last?: bigint;

  constructor(private readonly piece: Piece) {}

  note({ end, at }: LogEvent): void {
    if (end <= this.piece.start || end > this.piece.end) return;
    if (this.first === undefined || at < this.first) this.first = at;
    if (this.last === undefined || at > this.last) this.last = at;
  }

  range(): Pick<LogRange, 'firstCommitAt' | 'lastCommitAt'> {
    if (this.first === undefined || this.last === undefined) return {};
    return { firstCommitAt: formatLogTime(this.first), lastCommitAt: formatLogTime(this.last) };
  }
}
