/** A spreadsheet takes what begins so for a formula (OWASP, CSV injection). */
const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const NEEDS_QUOTES = /[",\r\n]/;

/** RFC 4180: CRLF, a header. NULL is nothing at all, an empty text is `""`, as COPY … CSV reads them. */
export function csvLine(values: readonly (string | null)[], formulaSafe: boolean): string {
  return `${values.map((value) => csvField(value, formulaSafe)).join(',')}\r\n`;
}

function csvField(value: string | null, formulaSafe: boolean): string {
  if (value === null) return '';
  const safe = formulaSafe && FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  // `\.` alone on a line is the end of the file for PostgreSQL up to 17; blanks at the edges are lost in other programs.
  if (safe === '' || safe === '\\.' || NEEDS_QUOTES.test(safe) || safe.trim() !== safe) return `"${safe.replaceAll('"', '""')}"`;
  return safe;
}
