import type { Artifact, ArtifactSource, Job, ObjectName, TableExport } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import type { TocEntry } from '../logical/archive-toc.js';
import { openStoredDump, type StoredDump } from '../logical/stored-dump.js';
import { copyLines } from './copy-lines.js';
import { copyValues } from './copy-values.js';
import { csvLine } from './export-csv.js';
import { jsonLineWriter } from './export-json.js';
import { InsertWriter, sqlPreamble } from './export-sql.js';
import { nameKey, parentsOfPartitions } from './outline.js';
import { binary } from './sql-text.js';
import { TableCatalog, tableNameIn, type TableShape } from './table-shape.js';
import { toUtf8From } from './text-encoding.js';

/** A table, or all partitions of a partitioned one, as a file. */
export async function* exportTable(source: ArtifactSource, request: TableExport, job: Job): AsyncGenerator<Buffer> {
  const dump = await openStoredDump(source);
  const catalog = new TableCatalog(dump.toc);
  const shapes = dataEntries(dump, request.table).map((entry) => catalog.shapeOf(entry));
  const [first] = shapes;
  if (!first) return;
  const writer = writerOf(request, dump, first);
  yield Buffer.from(writer.head, 'latin1');
  let bytes = 0;
  for (const shape of shapes) {
    const artifact = rowsOf(dump, shape.data);
    const inOrder = reordering(shape, first);
    const name = `${shape.data.namespace}.${shape.data.tag}`;
    for await (const lines of copyLines(source.read(artifact), name, artifact.rows)) {
      job.signal.throwIfAborted();
      const text = lines.map((line) => writer.row(inOrder(first.columns.length === 0 ? [] : copyValues(line)))).join('');
      if (text !== '') yield Buffer.from(text, 'latin1');
      bytes += text.length;
      job.progress({ phase: 'download', object: name, bytes });
    }
  }
  yield Buffer.from(writer.end(), 'latin1');
}

/** Its own rows and those of its partitions. */
function dataEntries(dump: StoredDump, { schema, name }: ObjectName): TocEntry[] {
  const parents = parentsOfPartitions(dump.toc);
  const isOf = (entry: Pick<TocEntry, 'namespace' | 'tag'>): boolean => {
    if (entry.namespace === schema && entry.tag === name) return true;
    const parent = parents.get(nameKey(entry));
    return parent !== undefined && isOf({ namespace: parent.schema, tag: parent.name });
  };
  const entries = dump.toc.entries.filter((entry) => entry.description === 'TABLE DATA' && isOf(entry));
  if (entries.length === 0)
    throw new RahatError('not_found', `The backup holds no rows of a table ${schema}.${name}`, {
      hint: 'Browse the backup to see its tables; names are case-sensitive.',
    });
  return entries;
}

export function rowsOf(dump: StoredDump, entry: TocEntry): Artifact {
  const [artifact] = dump.data.get(entry.dumpId) ?? [];
  if (!artifact) throw new RahatError('dump_invalid', `The rows of ${entry.namespace}.${entry.tag} are missing in this backup`);
  return artifact;
}

/** Partitions may have their columns in another order. */
function reordering(shape: TableShape, first: TableShape): (values: (string | null)[]) => (string | null)[] {
  if (shape.columns.join('\0') === first.columns.join('\0')) return (values) => values;
  const places = first.columns.map((column) => shape.columns.indexOf(column));
  return (values) => places.map((place) => values[place] ?? null);
}

interface RowWriter {
  head: string;
  row(values: (string | null)[]): string;
  end(): string;
}

function writerOf({ format, formulaSafe = false, table }: TableExport, dump: StoredDump, shape: TableShape): RowWriter {
  const { encoding, lcMonetary } = dump.facts;
  if (format === 'sql') {
    const target = dump.toc.entries.find(
      (entry) => entry.description === 'TABLE' && entry.namespace === table.schema && entry.tag === table.name,
    );
    const sqlName = target && tableNameIn(binary(target.definition));
    const inserts = new InsertWriter(sqlName ?? shape.sqlName, shape.columns);
    const hasMoney = [...shape.types.values()].some((type) => type.startsWith('"money"'));
    return {
      head: `${sqlPreamble({ encoding, ...(hasMoney && { lcMonetary }) })}BEGIN;\n`,
      row: (values) => inserts.add(values),
      end: () => `${inserts.finish()}COMMIT;\n`,
    };
  }
  const toUtf8 = toUtf8From(encoding);
  const columns = shape.columns.map(toUtf8);
  const converted = (values: (string | null)[]): (string | null)[] =>
    encoding === 'UTF8' ? values : values.map((value) => value && toUtf8(value));
  if (format === 'csv')
    return {
      head: csvLine(columns, formulaSafe),
      row: (values) => csvLine(converted(values), formulaSafe),
      end: () => '',
    };
  const write = jsonLineWriter(columns, (column) => shape.types.get(shape.columns[columns.indexOf(column)] ?? ''));
  return { head: '', row: (values) => write(converted(values)), end: () => '' };
}
