/** What a restore can aim at, as the log holds it. Positions are LSNs; `end` is behind the record's last byte. */
export type LogEvent = { start: bigint; end: bigint; /** µs since 2000-01-01 UTC, by the server's clock. */ at: bigint } & (
  { kind: 'transaction'; /** 32 bits, as the record holds it. */ transaction: number } | { kind: 'restore point'; name: string }
);

/** xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData. */
const SHORT_HEADER = 24;
const LONG_HEADER = 40;
const FIRST_IS_CONTINUATION = 0x01;
const HAS_LONG_HEADER = 0x02;
/** xlogrecord.h: XLogRecord. */
const RECORD_HEADER = 24;
const LONGEST_RECORD = 1020 * 1024 * 1024;
const XLOG_MANAGER = 0;
const TRANSACTION_MANAGER = 1;
const LOG_SWITCH = 0x40;
const RESTORE_POINT = 0x70;
/** xact.h, by XLOG_XACT_OPMASK: commit, abort, commit prepared, abort prepared. */
const TRANSACTION_ENDS = new Set([0x00, 0x20, 0x30, 0x40]);
/** A restore point's name, behind its time (xlog_internal.h: MAXFNAMELEN). */
const NAME_BYTES = 64;
/** Of a record that matters so much is looked at: its header, the headers of its data, and a time with a name. */
const HEAD_BYTES = RECORD_HEADER + 16 + 8 + NAME_BYTES;

/**
 * Reads the log's records as its bytes pass, across pages and segments. It begins anywhere: records are read from the first page
 * on that tells where one starts. What it can't follow (zeros behind the end, another log) it skips until such a page comes again.
 * The server writes in the byte order of its machine; only little-endian ones are read.
 */
export class LogRecords {
  /** Start and end of the last record that passed whole. */
  lastStart?: bigint;
  lastEnd?: bigint;
  /** How often a record didn't continue what was before it. */
  breaks = 0;

  private position: number;
  private pageSize = 8192;
  private readonly pageHeader = Buffer.alloc(LONG_HEADER);
  private pageHeaderFill = 0;
  private pageHeaderSize = 0;
  private state: 'lost' | 'between' | 'head' | 'rest' | 'padding' = 'lost';
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headFill = 0;
  private headNeeded = RECORD_HEADER;
  private recordStart = 0;
  private remaining = 0;
  /** The record under way began before what we saw. */
  private foreign = false;
  private previous = -1;

  constructor(
    start: bigint,
    private readonly segmentSize: number,
    private readonly onEvent: (event: LogEvent) => void = () => undefined,
  ) {
    this.position = Number(start);
    if (this.position % this.pageSize === 0) this.pageHeaderSize = SHORT_HEADER;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.pageHeaderFill < this.pageHeaderSize) {
        at += this.takePageHeader(bytes, at);
        continue;
      }
      const pageLeft = this.pageSize - (this.position % this.pageSize);
      const end = Math.min(bytes.length, at + pageLeft);
      while (at < end) {
        const taken = this.takeRecord(bytes, at, end);
        at += taken;
        this.position += taken;
      }
      if (this.position % this.pageSize === 0) this.expectPageHeader();
    }
  }

  private expectPageHeader(): void {
    this.pageHeaderFill = 0;
    this.pageHeaderSize = SHORT_HEADER;
    if (this.state === 'padding' && this.position % this.segmentSize === 0) this.state = 'between';
  }

  private takePageHeader(bytes: Buffer, at: number): number {
    const taken = Math.min(bytes.length - at, this.pageHeaderSize - this.pageHeaderFill);
    bytes.copy(this.pageHeader, this.pageHeaderFill, at, at + taken);
    this.pageHeaderFill += taken;
    this.position += taken;
    if (this.pageHeaderFill === this.pageHeaderSize) this.judgePage();
    return taken;
  }

  private judgePage(): void {
    if (this.state === 'padding') return;
    const header = this.pageHeader;
    const address = header.readUInt32LE(12) * 2 ** 32 + header.readUInt32LE(8);
    if (address !== this.position - this.pageHeaderSize) return this.lose();
    const flags = header.readUInt16LE(2);
    if (flags & HAS_LONG_HEADER) {
      if (this.pageHeaderSize === SHORT_HEADER) {
        this.pageHeaderSize = LONG_HEADER;
        return;
      }
      this.pageSize = header.readUInt32LE(36) || this.pageSize;
    }
    const continued = flags & FIRST_IS_CONTINUATION ? header.readUInt32LE(16) : 0;
    if (this.state === 'lost') {
      this.remaining = continued;
      this.foreign = true;
      this.state = continued > 0 ? 'rest' : 'between';
    } else if (this.state === 'between') {
      if (continued > 0) this.lose();
    } else if (continued !== this.owed()) {
      // A server that crashed in the middle of a record goes on with another in its place.
      if (continued > 0) this.lose();
      else this.state = 'between';
    }
  }

  private owed(): number {
    return this.state === 'head' ? this.headTotal() - this.headFill : this.remaining;
  }

  /** Its first field never crosses a page: records start at multiples of 8. */
  private headTotal(): number {
    return this.head.readUInt32LE(0);
  }

  private lose(): void {
    if (this.state !== 'lost') this.breaks++;
    this.state = 'lost';
    this.previous = -1;
  }

  private takeRecord(bytes: Buffer, at: number, end: number): number {
    const available = end - at;
    switch (this.state) {
      case 'lost':
      case 'padding':
        return available;
      case 'between': {
        const misaligned = this.position % 8;
        if (misaligned !== 0) return Math.min(available, 8 - misaligned);
        this.state = 'head';
        this.recordStart = this.position;
        this.headFill = 0;
        this.headNeeded = RECORD_HEADER;
        this.foreign = false;
        return this.takeHead(bytes, at, available);
      }
      case 'head':
        return this.takeHead(bytes, at, available);
      case 'rest': {
        const taken = Math.min(available, this.remaining);
        this.remaining -= taken;
        if (this.remaining === 0) this.finish(taken);
        return taken;
      }
    }
  }

  private takeHead(bytes: Buffer, at: number, available: number): number {
    const taken = Math.min(available, this.headNeeded - this.headFill);
    bytes.copy(this.head, this.headFill, at, at + taken);
    this.headFill += taken;
    if (this.headFill < this.headNeeded) return taken;
    const total = this.headTotal();
    if (this.headNeeded === RECORD_HEADER && !this.judgeHeader(total)) {
      this.lose();
      return taken;
    }
    if (this.headFill < this.headNeeded) return taken;
    this.remaining = total - this.headFill;
    this.state = 'rest';
    if (this.remaining === 0) this.finish(taken);
    return taken;
  }

  /** False when this can't be the record that follows the last one. */
  private judgeHeader(total: number): boolean {
    if (total < RECORD_HEADER || total > LONGEST_RECORD) return false;
    const previous = this.head.readUInt32LE(12) * 2 ** 32 + this.head.readUInt32LE(8);
    if (this.previous >= 0 && previous !== this.previous) return false;
    if (this.matters()) this.headNeeded = Math.min(total, HEAD_BYTES);
    return true;
  }

  private matters(): boolean {
    const manager = this.head[17];
    const info = this.head[16] ?? 0;
    if (manager === TRANSACTION_MANAGER) return TRANSACTION_ENDS.has(info & 0x70);
    return manager === XLOG_MANAGER && (info & 0xf0) === RESTORE_POINT;
  }

  /** `taken`: bytes of the record that `position` doesn't count yet. */
  private finish(taken: number): void {
    this.state = 'between';
    if (this.foreign) return;
    this.previous = this.recordStart;
    this.lastStart = BigInt(this.recordStart);
    this.lastEnd = BigInt(this.position + taken);
    if (this.matters()) this.tell();
    else if (this.head[17] === XLOG_MANAGER && ((this.head[16] ?? 0) & 0xf0) === LOG_SWITCH) {
      // xlog.c, CopyXLogRecordToWAL: the rest of the segment is zeros, pages without headers.
      if ((this.position + taken) % this.segmentSize !== 0) this.state = 'padding';
    }
  }

  private tell(): void {
    const data = dataOffset(this.head, this.headFill);
    if (data === undefined || data + 8 > this.headFill) return;
    const place = { start: BigInt(this.recordStart), end: this.lastEnd ?? 0n, at: this.head.readBigInt64LE(data) };
    if (this.head[17] === TRANSACTION_MANAGER) {
      this.onEvent({ kind: 'transaction', transaction: this.head.readUInt32LE(4), ...place });
      return;
    }
    const field = this.head.subarray(data + 8, Math.min(this.headFill, data + 8 + NAME_BYTES));
    const length = field.indexOf(0);
    this.onEvent({ kind: 'restore point', name: field.toString('utf8', 0, length < 0 ? field.length : length), ...place });
  }
}

/** Where a record's own data begins: behind the headers of origin and transaction (xlogrecord.h). Records with pages are none of ours. */
function dataOffset(head: Buffer, fill: number): number | undefined {
  let at = RECORD_HEADER;
  while (at < fill) {
    const id = head[at];
    if (id === 255) return at + 2;
    if (id === 254) return at + 5;
    if (id === 253) at += 3;
    else if (id === 252) at += 5;
    else return undefined;
  }
  return undefined;
}

const EPOCH_MS = Date.UTC(2000, 0, 1);

/** RFC 3339 with microseconds. */
export function formatLogTime(at: bigint): string {
  const micros = ((at % 1000n) + 1000n) % 1000n;
  const date = new Date(EPOCH_MS + Number((at - micros) / 1000n));
  return date.toISOString().replace('Z', `${micros.toString().padStart(3, '0')}Z`);
}

/** To the microsecond, which Date doesn't hold. */
export function parseLogTime(text: string): bigint {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  const seconds = BigInt(Date.parse(text.replace(/\.\d+/, '')) - EPOCH_MS) * 1000n;
  return seconds + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}
