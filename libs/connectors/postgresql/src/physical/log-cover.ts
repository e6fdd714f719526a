import { lsnText, RahatError } from '@rahat/contracts';
import type { BackupManifest } from './backup-manifest.js';
import { parseLogPosition, parseSegmentName } from './log-position.js';

/** xlog_internal.h: XLogPageHeaderData and, on a segment's first page, XLogLongPageHeaderData. */
const PAGE_ADDRESS = 8;
const SEGMENT_SYSTEM_IDENTIFIER = 24;
const SEGMENT_PAGE_SIZE = 36;
const LONG_HEADER = 40;

interface CoveredRange {
  timeline: number;
  start: bigint;
  /** Up to here every page tells that it stands at its place; a recycled segment goes on with older pages. */
  end: bigint;
  /** The segment's end, when nothing but zeros follows: the log was switched to the next segment there (xlog.c, CopyXLogRecordToWAL). */
  paddedTo?: bigint;
}

/** Watches log segments as they pass, and tells whether a range of the log is whole. A base without its log is not a backup. */
export class LogCover {
  private readonly ranges: CoveredRange[] = [];

  constructor(
    private readonly segmentSize: number,
    private readonly systemIdentifier: string,
  ) {}

  /** Passes a segment's bytes on; takes note of the pages that are in their place. */
  async *watch(name: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const segment = parseSegmentName(name, this.segmentSize);
    if (!segment) {
      yield* body;
      return;
    }
    const pages = new SegmentPages(segment.start, this.systemIdentifier);
    let size = 0;
    for await (const chunk of body) {
      pages.push(chunk);
      size += chunk.length;
      yield chunk;
    }
    if (size !== this.segmentSize)
      throw new RahatError('dump_invalid', `The log segment ${name} has ${size} bytes instead of ${this.segmentSize}`);
    this.ranges.push({
      timeline: segment.timeline,
      start: segment.start,
      end: pages.inPlaceUpTo,
      paddedTo: pages.padded ? segment.start + BigInt(this.segmentSize) : undefined,
    });
  }

  require(ranges: BackupManifest['logRanges']): void {
    for (const range of ranges) {
      const end = parseLogPosition(range.end);
      let reached = parseLogPosition(range.start);
      const ofTimeline = this.ranges.filter((covered) => covered.timeline === range.timeline).sort((a, b) => (a.start < b.start ? -1 : 1));
      for (const covered of ofTimeline) {
        // Padding counts only when the log goes on behind it: an end that lies in zeros was never written.
        const upTo = covered.paddedTo !== undefined && end >= covered.paddedTo ? covered.paddedTo : covered.end;
        if (covered.start <= reached && upTo > reached) reached = upTo;
      }
      if (reached >= end) continue;
      throw new RahatError(
        'dump_invalid',
        `The backup lacks the log from ${lsnText(reached)} to ${range.end} of timeline ${range.timeline}; it could never be started`,
        {
          hint: 'Take the backup again; if this repeats, raise wal_keep_size on the server.',
        },
      );
    }
  }
}

class SegmentPages {
  private header: Buffer = Buffer.alloc(0);
  private pageSize = 8192;
  private position = 0;
  private state: 'in place' | 'zeros' | 'other' = 'in place';
  inPlaceUpTo: bigint;

  constructor(
    private readonly start: bigint,
    private readonly systemIdentifier: string,
  ) {
    this.inPlaceUpTo = start;
  }

  get padded(): boolean {
    return this.state === 'zeros';
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.state !== 'other') {
      if (this.state === 'zeros') {
        if (!isZero(chunk.subarray(at))) this.state = 'other';
        return;
      }
      const inPage = this.position % this.pageSize;
      if (inPage < LONG_HEADER) {
        const part = chunk.subarray(at, at + LONG_HEADER - inPage);
        this.header = Buffer.concat([this.header, part]);
        at += part.length;
        this.position += part.length;
        if (this.header.length === LONG_HEADER) this.judgePage();
      } else {
        const step = Math.min(chunk.length - at, this.pageSize - inPage);
        at += step;
        this.position += step;
      }
    }
  }

  private judgePage(): void {
    const pageStart = BigInt(this.position - LONG_HEADER);
    // Written in the byte order of the server's machine; all that PostgreSQL runs on today are little-endian but s390x.
    const littleEndian = this.header.readBigUInt64LE(PAGE_ADDRESS) === this.start + pageStart;
    const inPlace = littleEndian || this.header.readBigUInt64BE(PAGE_ADDRESS) === this.start + pageStart;
    if (inPlace && pageStart === 0n) {
      const [system, pageSize] = littleEndian
        ? [this.header.readBigUInt64LE(SEGMENT_SYSTEM_IDENTIFIER), this.header.readUInt32LE(SEGMENT_PAGE_SIZE)]
        : [this.header.readBigUInt64BE(SEGMENT_SYSTEM_IDENTIFIER), this.header.readUInt32BE(SEGMENT_PAGE_SIZE)];
      if (system.toString() !== this.systemIdentifier)
        throw new RahatError('dump_invalid', 'A log segment of the backup belongs to another server');
      this.pageSize = pageSize;
    }
    if (!inPlace) this.state = isZero(this.header) ? 'zeros' : 'other';
    else this.inPlaceUpTo = this.start + pageStart + BigInt(this.pageSize);
    this.header = Buffer.alloc(0);
  }
}

const ZEROS = Buffer.alloc(1 << 16);

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (!part.equals(ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}
