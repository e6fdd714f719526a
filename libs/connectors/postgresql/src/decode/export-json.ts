const NUMERIC = /^(smallint|integer|bigint|real|double precision|numeric|"oid")(\(|$)/;
/** Not every number of PostgreSQL is one of JSON: NaN, Infinity. */
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

type ToJson = (value: string) => string;

/** Values as PostgreSQL's own row_to_json writes them, but for arrays and composites, which stay PostgreSQL's text. */
export function jsonLineWriter(
  columns: readonly string[],
  typeOf: (column: string) => string | undefined,
): (values: (string | null)[]) => string {
  const writers = columns.map((column) => ({ name: JSON.stringify(column), write: writerFor(typeOf(column) ?? '') }));
  return (values) =>
    `{${writers.map(({ name, write }, at) => `${name}:${values[at] === null || values[at] === undefined ? 'null' : write(values[at])}`).join(',')}}\n`;
}

function writerFor(type: string): ToJson {
  if (type === 'boolean') return (value) => (value === 't' ? 'true' : 'false');
  if (NUMERIC.test(type) && !type.endsWith(']')) return (value) => (JSON_NUMBER.test(value) ? value : JSON.stringify(value));
  // A line break inside a JSON value stands between its tokens, and there a blank says the same.
  if (type === '"json"' || type === '"jsonb"') return (value) => value.replaceAll(/[\r\n]/g, ' ');
  return (value) => JSON.stringify(value);
}
