/** A page of rows that are longer ends earlier; a single row is never cut. */
const MOST_BYTES = 8 << 20;
const NEWLINE = 0x0a;

/**
 * Pieces are lent, in and out. Of JSON lines those from `offset` on, `limit` of them at most, as `{"offset":…,"rows":[…],"nextOffset":…}`. Nothing is gathered: rows
 * pass through piece by piece, and nothing comes before the first of them is there.
 */
export async function* pageOfRows(lines: AsyncIterable<Buffer>, offset: number, limit: number): AsyncGenerator<Buffer> {
  let line = 0;
  let bytes = 0;
  let begins = true;
  let next: number | null = null;
  reading: for await (const piece of lines) {
    for (let at = 0; at < piece.length;) {
      const found = piece.indexOf(NEWLINE, at);
      const end = found === -1 ? piece.length : found;
      if (line >= offset) {
        if (begins && (line >= offset + limit || bytes >= MOST_BYTES)) {
          next = line;
          break reading;
        }
        if (begins) yield Buffer.from(bytes === 0 ? head(offset) : ',');
        yield piece.subarray(at, end);
        bytes += end - at;
      }
      begins = found !== -1;
      if (begins) line++;
      at = end + 1;
    }
  }
  yield Buffer.from(`${bytes === 0 ? head(offset) : ''}],"nextOffset":${next}}`);
}

function head(offset: number): string {
  return `{"offset":${offset},"rows":[`;
}
