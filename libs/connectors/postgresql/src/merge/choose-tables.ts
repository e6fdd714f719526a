import type { Artifact, RestoreRequest } from '@rahat/connector-kit';
import { RahatError, type Merge, type TableName } from '@rahat/contracts';
import { nameKey, parentsOfPartitions } from '../decode/outline.js';
import { TableCatalog, type TableShape } from '../decode/table-shape.js';
import { readableFrom } from '../decode/text-encoding.js';
import type { TocEntry } from '../logical/archive-toc.js';
import { selectEntries } from '../logical/selection.js';
import { comparableTables, type StoredDump } from '../logical/stored-dump.js';

/** A table of the backup that is restored, and where it goes. */
export interface ChosenTable {
  entry: TocEntry;
  target: TableName;
  /** Of a partitioned table there are none: its partitions have them. */
  rows?: { shape: TableShape; columns: string[]; artifact: Artifact };
  condition?: string;
}

/** What the order names of the backup: tables, all tables of schemas, rows by condition; partitions come with their tables. */
export function chooseTables(dump: StoredDump, { tables, merge }: { tables?: RestoreRequest['tables']; merge: Merge }): ChosenTable[] {
  const conditions = conditionsOf(merge);
  const wanted = new Map<string, [string, string]>();
  for (const [schema, table] of [...(tables ?? []), ...tablesOf(dump, merge.schemas ?? [])])
    wanted.set(`${schema}\0${table}`, [schema, table]);
  for (const { schema, table } of merge.rows ?? []) wanted.set(`${schema}\0${table}`, [schema, table]);
  // Looks at the names, and takes partitions along.
  const chosen = selectEntries(dump.toc, [...wanted.values()]).tables;
  const catalog = new TableCatalog(dump.toc);
  const readable = readableFrom(dump.facts.encoding);
  const data = new Map(comparableTables(dump.toc).map((entry) => [nameKey(entry), entry]));
  const parents = parentsOfPartitions(dump.toc);
  const conditionOf = (name: { namespace: string; tag: string }): string | undefined => {
    const own = conditions.get(nameKey(name));
    const parent = parents.get(nameKey(name));
    return own ?? (parent && conditionOf({ namespace: parent.schema, tag: parent.name }));
  };
  const places = new Places(merge);
  const result = chosen.map((entry): ChosenTable => {
    const rows = data.get(nameKey(entry));
    const [artifact] = rows ? (dump.data.get(rows.dumpId) ?? []) : [];
    const shape = rows && catalog.shapeOf(rows);
    const condition = conditionOf(entry);
    return {
      entry,
      target: places.of({ schema: entry.namespace, table: entry.tag }),
      ...(shape && artifact && { rows: { shape, artifact, columns: shape.columns.map(readable) } }),
      ...(condition !== undefined && { condition }),
    };
  });
  places.assertAllUsed();
  return result;
}

function conditionsOf({ rows = [] }: Merge): Map<string, string> {
  const conditions = new Map<string, string>();
  for (const { schema, table, condition } of rows) {
    if (conditions.has(`${schema}\0${table}`))
      throw new RahatError('invalid_input', `There are two conditions for the rows of ${schema}.${table}`, {
        hint: 'Join them by AND or OR.',
      });
    conditions.set(`${schema}\0${table}`, condition);
  }
  return conditions;
}

function tablesOf(dump: StoredDump, schemas: readonly string[]): [string, string][] {
  return schemas.flatMap((schema) => {
    const entries = dump.toc.entries.filter(({ description, namespace }) => description === 'TABLE' && namespace === schema);
    if (entries.length === 0)
      throw new RahatError('not_found', `The backup holds no tables of a schema ${schema}`, {
        hint: 'Browse the backup to see its schemas; names are case-sensitive.',
      });
    return entries.map(({ tag }): [string, string] => [schema, tag]);
  });
}

/** Where tables go by the renames of the order. */
class Places {
  readonly #unused: Set<NonNullable<Merge['renames']>[number]>;
  readonly #taken = new Set<string>();

  constructor(private readonly merge: Merge) {
    this.#unused = new Set(merge.renames ?? []);
  }

  of({ schema, table }: TableName): TableName {
    const renames = (this.merge.renames ?? []).filter(({ from }) => from.schema === schema);
    const rename = renames.find(({ from }) => from.table === table) ?? renames.find(({ from }) => from.table === undefined);
    if (rename) this.#unused.delete(rename);
    const target = rename ? { schema: rename.to.schema, table: rename.to.table ?? table } : { schema, table };
    if (Buffer.byteLength(target.schema) > 63 || Buffer.byteLength(target.table) > 63)
      throw new RahatError('invalid_input', `${target.schema}.${target.table} is too long a name: PostgreSQL has room for 63 bytes each`);
    const key = `${target.schema}\0${target.table}`;
    if (this.#taken.has(key)) throw new RahatError('invalid_input', `Two tables would be restored as ${target.schema}.${target.table}`);
    this.#taken.add(key);
    return target;
  }

  assertAllUsed(): void {
    const [unused] = this.#unused;
    if (!unused) return;
    const { schema, table } = unused.from;
    throw new RahatError('invalid_input', `${table === undefined ? schema : `${schema}.${table}`} is renamed and not restored`, {
      hint: 'Choose it too; a partition is renamed by its own name.',
    });
  }
}
