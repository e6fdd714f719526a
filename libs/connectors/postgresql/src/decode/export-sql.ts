import { quoteBinaryLiteral, quoteBinaryName } from './sql-text.js';

const ROWS_PER_STATEMENT = 500;
const BYTES_PER_STATEMENT = 512 * 1024;

/** Settings under which the texts of values mean what they meant in the dump. */
export function sqlPreamble({ encoding, lcMonetary }: { encoding: string; lcMonetary?: string }): string {
  return [
    `SET client_encoding = '${encoding}';`,
    'SET standard_conforming_strings = on;',
    "SET datestyle = 'ISO';",
    "SET intervalstyle = 'postgres';",
    "SET timezone = 'UTC';",
    'SET xmloption = content;',
    'SET row_security = off;',
    ...(lcMonetary === undefined ? [] : [`SET lc_monetary = ${quoteBinaryLiteral(lcMonetary)};`]),
    "SELECT pg_catalog.set_config('search_path', '', false);",
    '',
    '',
  ].join('\n');
}

/** Gathers rows into INSERT statements of bounded size. Any client can run them. */
export class InsertWriter {
  #rows: string[] = [];
  #bytes = 0;
  readonly #head: string;

  constructor(
    private readonly sqlName: string,
    columns: readonly string[],
  ) {
    // OVERRIDING has no effect where no column is an identity.
    this.#head =
      columns.length === 0 ? '' : `INSERT INTO ${sqlName} (${columns.map(quoteBinaryName).join(', ')}) OVERRIDING SYSTEM VALUE VALUES\n`;
  }

  /** SQL that became due. */
  add(values: readonly (string | null)[]): string {
    if (this.#head === '') return `INSERT INTO ${this.sqlName} DEFAULT VALUES;\n`;
    const row = `(${values.map(quoteBinaryLiteral).join(', ')})`;
    this.#rows.push(row);
    this.#bytes += row.length;
    return this.#rows.length >= ROWS_PER_STATEMENT || this.#bytes >= BYTES_PER_STATEMENT ? this.finish() : '';
  }

  finish(): string {
    if (this.#rows.length === 0) return '';
    const statement = `${this.#head}${this.#rows.join(',\n')};\n`;
    this.#rows = [];
    this.#bytes = 0;
    return statement;
  }
}
