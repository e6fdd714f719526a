import { RahatError } from '@rahat/contracts';

const NEWLINE = 0x0a;
/** pg_dump's end mark and its two empty lines. */
const END_OF_ROWS = '\\.\n\n\n';

/**
 * Cuts COPY text into rows, as binary strings without their newline. Ends at pg_dump's end mark; a text that ends otherwise is
 * cut off. `expected` rows have to come, where that is known.
 */
export async function* copyLines(pieces: AsyncIterable<Buffer>, table: string, expected?: number): AsyncGenerator<string[]> {
  let open = '';
  let end: string | undefined;
  let rows = 0;
  for await (const piece of pieces) {
    if (end !== undefined) {
      end += piece.toString('latin1', 0, END_OF_ROWS.length);
      continue;
    }
    const last = piece.lastIndexOf(NEWLINE);
    if (last < 0) {
      open += piece.toString('latin1');
      continue;
    }
    const lines = (open + piece.toString('latin1', 0, last)).split('\n');
    open = piece.toString('latin1', last + 1);
    const mark = endMarkIn(lines);
    if (mark >= 0) end = `${lines.splice(mark).join('\n')}\n${open}`;
    rows += lines.length;
    if (lines.length > 0) yield lines;
  }
  if (end !== END_OF_ROWS) throw cutOff(table, 'its end mark is missing');
  if (expected !== undefined && rows !== expected) throw cutOff(table, `it holds ${rows} rows instead of ${expected}`);
}

/** It is among the last lines, if at all: no row is `\.`. */
function endMarkIn(lines: string[]): number {
  for (let at = lines.length - 1; at >= Math.max(0, lines.length - 3); at--) if (lines[at] === '\\.') return at;
  return -1;
}

export function cutOff(table: string, why: string): RahatError {
  return new RahatError('dump_truncated', `The rows of ${table} in this backup are not whole: ${why}`, {
    hint: 'Check the repository, and use another copy or another backup.',
    retryable: false,
  });
}
