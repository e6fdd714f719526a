import type { ByteSpan, ComparableSource } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { cutOff } from '../decode/copy-lines.js';
import { rowsOf } from '../decode/export-table.js';
import { TableCatalog, type TableShape } from '../decode/table-shape.js';
import type { Toc, TocEntry } from '../logical/archive-toc.js';
import type { DatabaseFacts } from '../logical/database-facts.js';
import type { RowSum } from '../logical/row-kernel.js';
import { openStoredDump } from '../logical/stored-dump.js';
import { END_MARK, rowsEnd, type StoredRows } from './unshared-spans.js';

/** One side of a comparison. */
export interface ComparedDatabase {
  toc: Toc;
  facts: Pick<DatabaseFacts, 'encoding' | 'lcMonetary'> & { largeObjects?: DatabaseFacts['largeObjects'] };
  catalog: TableCatalog;
  /** How many rows the table has, and their hash; a live database is asked for it. */
  sum(data: TocEntry): Promise<RowSum>;
  /** The rows as COPY text without an end mark; of a backup only these spans, if they are given. */
  rows(data: TocEntry, spans?: readonly ByteSpan[]): AsyncIterable<Buffer>;
  /** Where a backup keeps them. */
  stored?(data: TocEntry): StoredRows;
}

export async function openComparedBackup(source: ComparableSource, onRead: (bytes: number) => void): Promise<ComparedDatabase> {
  const dump = await openStoredDump(source);
  const stored = (data: TocEntry): StoredRows => ({ source, artifact: rowsOf(dump, data) });
  return {
    toc: dump.toc,
    facts: dump.facts,
    catalog: new TableCatalog(dump.toc),
    stored,
    async sum(data) {
      const { rows, rowHash } = rowsOf(dump, data);
      if (rows === undefined || rowHash === undefined)
        throw new RahatError('dump_invalid', `The backup doesn't say how many rows ${nameOf(data)} has`);
      return { rows, rowHash };
    },
    rows: (data, spans) => storedRows(stored(data), nameOf(data), spans, onRead),
  };
}

/** Ends with the rows' end mark, which is looked for however little of them is read. */
async function* storedRows(
  { source, artifact }: StoredRows,
  table: string,
  spans: readonly ByteSpan[] | undefined,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const end = rowsEnd(artifact);
  if (end < 0) throw cutOff(table, 'its end mark is missing');
  const wanted = spans ?? (end === 0 ? [] : [{ offset: 0, length: end }]);
  const mark: Buffer[] = [];
  for await (const { offset, bytes } of source.readSpans(artifact, [...wanted, { offset: end, length: END_MARK.length }])) {
    onRead(bytes.length);
    if (offset >= end) mark.push(Buffer.from(bytes));
    else yield bytes;
  }
  if (!Buffer.concat(mark).equals(END_MARK)) throw cutOff(table, 'its end mark is missing');
}

export function nameOf({ namespace, tag }: TocEntry): string {
  return `${namespace}.${tag}`;
}

export function shapesByName({ toc, catalog }: ComparedDatabase): Map<string, TableShape> {
  const data = toc.entries.filter((entry) => entry.description === 'TABLE DATA');
  return new Map(data.map((entry) => [`${entry.namespace}\0${entry.tag}`, catalog.shapeOf(entry)]));
}
