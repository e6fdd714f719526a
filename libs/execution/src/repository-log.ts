import type { LogSource } from '@rahat/connector-kit';
import { type LogRange, lsnOf, RahatError } from '@rahat/contracts';
import type { ReadSession, Repository, StoredObject } from '@rahat/repository';
import { HistoryMeta, LogObjectMeta } from './log-objects.js';

interface StoredPiece {
  object: StoredObject;
  timeline: number;
  start: bigint;
  end: bigint;
}

/** A stream as connectors read it: many manifests, which may overlap and be merged, are one log. */
export class RepositoryLog implements LogSource {
  readonly ranges: LogRange[] = [];
  readonly histories = new Map<number, Buffer>();
  private readonly pieces: StoredPiece[] = [];
  /** Where the last read ended: the next one mostly goes on there. */
  private near = 0;

  private constructor(
    private readonly session: ReadSession,
    private readonly signal: AbortSignal,
  ) {}

  /** What can't be read is told, and is missing: recovery past it is refused. */
  static async open(
    repository: Repository,
    stream: string,
    session: ReadSession,
    options: { signal: AbortSignal; onDamage(message: string): void },
  ): Promise<RepositoryLog> {
    const log = new RepositoryLog(session, options.signal);
    for await (const listing of repository.logs({ stream, signal: options.signal })) {
      if (!listing.ok) {
        options.onDamage(`${listing.id} of the log cannot be read: ${listing.error.message}`);
        continue;
      }
      log.ranges.push(listing.manifest.range);
      for (const object of listing.manifest.objects) await log.add(object);
    }
    log.pieces.sort((a, b) => a.timeline - b.timeline || (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    return log;
  }

  async *read(timeline: number, start: bigint, end: bigint): AsyncGenerator<Buffer> {
    for (let at = start; at < end;) {
      const piece = this.pieceAt(timeline, at);
      const upTo = piece.end < end ? piece.end : end;
      const range = { offset: Number(at - piece.start), length: Number(upTo - at) };
      let length = 0n;
      for await (const bytes of this.session.readObject(piece.object, { range, signal: this.signal })) {
        length += BigInt(bytes.length);
        yield bytes;
      }
      if (length !== upTo - at) throw new RahatError('repository_damaged', `${piece.object.key} holds less of the log than it says`);
      at = upTo;
    }
  }

  private async add(object: StoredObject): Promise<void> {
    const piece = LogObjectMeta.safeParse(object.meta);
    if (object.kind === 'log' && piece.success) {
      const [start, end] = [lsnOf(piece.data.start), lsnOf(piece.data.end)];
      if (BigInt(object.sizeBytes) !== end - start)
        throw new RahatError('repository_damaged', `${object.key} has ${object.sizeBytes} bytes of the log instead of ${end - start}`);
      this.pieces.push({ object, timeline: piece.data.timeline, start, end });
      return;
    }
    const history = HistoryMeta.safeParse(object.meta);
    if (!object.key.startsWith('history/') || !history.success || this.histories.has(history.data.timeline)) return;
    const parts: Buffer[] = [];
    for await (const part of this.session.readObject(object, { signal: this.signal })) parts.push(Buffer.from(part));
    this.histories.set(history.data.timeline, Buffer.concat(parts));
  }

  private pieceAt(timeline: number, at: bigint): StoredPiece {
    const holds = (piece: StoredPiece | undefined) => piece?.timeline === timeline && piece.start <= at && piece.end > at;
    for (const index of [this.near, this.near + 1]) {
      const piece = this.pieces[index];
      if (!piece || !holds(piece)) continue;
      this.near = index;
      return piece;
    }
    this.near = this.pieces.findIndex(holds);
    const found = this.pieces[this.near];
    if (!found) throw new RahatError('repository_damaged', `The log has nothing at ${at.toString(16)} of timeline ${timeline}`);
    return found;
  }
}
