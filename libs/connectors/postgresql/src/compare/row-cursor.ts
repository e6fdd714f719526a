const NEWLINE = 0x0a;
const FIRST_BYTES = 1024 * 1024;
/** The first comparison of what follows a difference; then it doubles. */
const FIRST_STEP = 256;

/** Goes over rows of COPY text that arrive in pieces, which are lent. */
export class RowCursor {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;
  /** Behind the last whole row. */
  #rowsEnd = 0;
  #filled = 0;
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Whether a row stands at the cursor, without waiting. */
  get ready(): boolean {
    return this.#at < this.#rowsEnd;
  }

  /** Whether there is another row; reads on where needed. */
  async more(): Promise<boolean> {
    while (!this.ready) {
      const next = await this.#pieces.next();
      if (next.done) {
        if (this.#filled > this.#at) throw new Error('the rows end inside a row');
        return false;
      }
      this.#take(next.value);
    }
    return true;
  }

  /** The row at the cursor as a binary string. */
  row(): string {
    return this.#bytes.toString('latin1', this.#at, this.#endOfRow() - 1);
  }

  skipRow(): void {
    this.#at = this.#endOfRow();
  }

  /** Passes over the rows that are the same at both cursors, as far as both have read. */
  static skipEqual(left: RowCursor, right: RowCursor): void {
    const most = Math.min(left.#rowsEnd - left.#at, right.#rowsEnd - right.#at);
    let equal = 0;
    for (let step = FIRST_STEP; equal < most; step *= 2) {
      const length = Math.min(step, most - equal);
      if (sameBytes(left, right, equal, length)) equal += length;
      else if (length <= FIRST_STEP) {
        equal += firstDifference(left, right, equal, length);
        break;
      } else step = FIRST_STEP / 2;
    }
    if (equal === 0) return;
    const rows = left.#bytes.lastIndexOf(NEWLINE, left.#at + equal - 1) + 1;
    if (rows <= left.#at) return;
    right.#at += rows - left.#at;
    left.#at = rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.return?.();
  }

  #endOfRow(): number {
    return this.#bytes.indexOf(NEWLINE, this.#at) + 1;
  }

  #take(piece: Buffer): void {
    const kept = this.#filled - this.#at;
    if (kept + piece.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, kept + piece.length));
      this.#bytes.copy(larger, 0, this.#at, this.#filled);
      this.#bytes = larger;
    } else this.#bytes.copyWithin(0, this.#at, this.#filled);
    piece.copy(this.#bytes, kept);
    this.#at = 0;
    this.#filled = kept + piece.length;
    this.#rowsEnd = this.#bytes.subarray(0, this.#filled).lastIndexOf(NEWLINE) + 1;
  }

  compareWith(other: RowCursor, from: number, length: number): boolean {
    return this.#bytes.compare(other.#bytes, other.#at + from, other.#at + from + length, this.#at + from, this.#at + from + length) === 0;
  }

  byteAt(offset: number): number {
    return this.#bytes[this.#at + offset]!;
  }
}

function sameBytes(left: RowCursor, right: RowCursor, from: number, length: number): boolean {
  return left.compareWith(right, from, length);
}

function firstDifference(left: RowCursor, right: RowCursor, from: number, length: number): number {
  for (let at = 0; at < length; at++) if (left.byteAt(from + at) !== right.byteAt(from + at)) return at;
  return length;
}
