import type pg from 'pg';
import type { RestoreRequest } from '@rahat/connector-kit';
import type { Finding, Merge } from '@rahat/contracts';
import { owning } from '../compare/undo-schema.js';
import { binary, quoteBinaryName } from '../decode/sql-text.js';
import { readConstraint, TableCatalog, tableNameIn } from '../decode/table-shape.js';
import { readableFrom } from '../decode/text-encoding.js';
import { quoteIdentifier } from '../errors.js';
import { SECTION, type TocEntry } from '../logical/archive-toc.js';
import { selectEntries } from '../logical/selection.js';
import type { StoredDump } from '../logical/stored-dump.js';
import { joinPresentTables, presentNeeds } from '../logical/table-restore.js';
import type { ChosenTable } from './choose-tables.js';
import type { InspectedTable, MergeLook } from './inspect-merge.js';
import { readLiveTables } from './live-tables.js';

export interface CreatedTables {
  /** All chosen ones; those that were made as they are now. */
  tables: InspectedTable[];
  /** `schema\0table` of what was made. */
  made: string[];
  findings: Finding[];
  /** To be called when the rows are in: makes what checks or follows them (foreign keys, triggers). */
  finish(): Promise<void>;
}

type Order = Pick<RestoreRequest, 'noOwner' | 'noAcl'> & { merge: Merge };

/** Not run by us: rows come by their own way, and roles get no rights that nobody asked for. */
const NEVER = new Set(['TABLE DATA', 'ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'STATISTICS DATA']);
const AFTER_ROWS = new Set(['FK CONSTRAINT', 'TRIGGER', 'RULE', 'POLICY', 'ROW SECURITY', 'SEQUENCE SET']);

/**
 * Makes the tables that the database lacks, inside the caller's transaction. Under their own names they come with all that belongs
 * to them; under another one as plain tables, because indexes, sequences and constraints have names of their own.
 */
export async function createTables(client: pg.Client, dump: StoredDump, look: MergeLook, order: Order): Promise<CreatedTables> {
  const missing = look.tables.filter(({ live }) => !live).map(({ chosen }) => chosen);
  const nothing = { tables: look.tables, made: [], findings: [], finish: () => Promise.resolve() };
  if (missing.length === 0) return nothing;
  const isRenamed = ({ entry, target }: ChosenTable): boolean => entry.namespace !== target.schema || entry.tag !== target.table;
  const own = await ownEntries(
    client,
    dump,
    missing.filter((table) => !isRenamed(table)),
  );
  const run = statementsOf(client, dump, order);
  await client.query("SELECT pg_catalog.set_config('check_function_bodies', 'off', true)");
  for (const entry of own.entries) if (!AFTER_ROWS.has(entry.description)) await run(entry);
  const copies = missing.filter(isRenamed);
  const schemas = [...new Set(copies.map(({ target }) => target.schema))];
  for (const schema of schemas) await createSchema(client, schema);
  const catalog = new TableCatalog(dump.toc);
  for (const copy of copies) await createCopy(client, dump, catalog, copy);
  const there = await readLiveTables(
    client,
    missing.map(({ target }) => target),
  );
  const tables = look.tables.map((table): InspectedTable => {
    const { schema, table: name } = table.chosen.target;
    const live = table.live ?? there.find((one) => one.schema === schema && one.name === name);
    return { ...table, ...(live && { live }) };
  });
  return {
    tables,
    made: there.map(({ schema, name }) => `${schema}\0${name}`),
    findings: [...own.findings, ...copies.map(copyFinding)],
    finish: async () => {
      for (const entry of own.entries) if (AFTER_ROWS.has(entry.description)) await run(entry);
      for (const statement of own.foreignKeys) await client.query(statement);
    },
  };
}

/** What belongs to the tables and is not in the database yet. */
async function ownEntries(
  client: pg.Client,
  dump: StoredDump,
  missing: readonly ChosenTable[],
): Promise<{ entries: TocEntry[]; foreignKeys: string[]; findings: Finding[] }> {
  if (missing.length === 0) return { entries: [], foreignKeys: [], findings: [] };
  const selection = selectEntries(
    dump.toc,
    missing.map(({ entry }) => [entry.namespace, entry.tag]),
  );
  const joined = await joinPresentTables(client, selection.leftOut);
  const selected = new Set(selection.entries);
  const wanted = dump.toc.entries.filter((entry) => selected.has(entry) || joined.entries.has(entry));
  const present = await presentNeeds(client, wanted, []);
  return { entries: wanted.filter((entry) => !present.has(entry)), foreignKeys: joined.foreignKeys, findings: joined.findings };
}

function statementsOf(client: pg.Client, dump: StoredDump, { noOwner, noAcl }: Order): (entry: TocEntry) => Promise<void> {
  const readable = readableFrom(dump.facts.encoding);
  return async (entry) => {
    const isAcl = entry.description.endsWith('ACL');
    if (NEVER.has(entry.description) || entry.section === SECTION.none || (isAcl && noAcl)) return;
    const definition = binary(entry.definition).trim();
    if (definition === '') return;
    for (const sql of [definition, ...(noOwner || isAcl ? [] : owning(entry))]) await client.query(readable(sql));
  };
}

async function createSchema(client: pg.Client, schema: string): Promise<void> {
  const there = await client.query('SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema]);
  if (there.rowCount === 0) await client.query(`CREATE SCHEMA ${quoteIdentifier(schema)}`);
}

/** Columns with their defaults, and its keys. */
async function createCopy(client: pg.Client, dump: StoredDump, catalog: TableCatalog, { entry, target }: ChosenTable): Promise<void> {
  const readable = readableFrom(dump.facts.encoding);
  const sqlName = tableNameIn(binary(entry.definition)) ?? '';
  const place = `${quoteIdentifier(target.schema)}.${quoteIdentifier(target.table)}`;
  const columns = catalog.columnsOf(sqlName).map(({ name, type, rest }) => `${quoteBinaryName(name)} ${type} ${rest}`.trimEnd());
  await client.query(`CREATE TABLE ${place} (${readable(columns.join(', '))})`);
  for (const other of dump.toc.entries) {
    if (other.description !== 'CONSTRAINT') continue;
    const constraint = readConstraint(binary(other.definition));
    if (constraint?.table !== sqlName || constraint.kind === 'other') continue;
    const names = constraint.columns.map((name) => quoteBinaryName(name)).join(', ');
    await client.query(`ALTER TABLE ${place} ADD ${constraint.kind} (${readable(names)})`);
  }
}

function copyFinding({ entry, target }: ChosenTable): Finding {
  return {
    code: 'table_copied',
    severity: 'info',
    object: `${target.schema}.${target.table}`,
    message: `${entry.namespace}.${entry.tag} comes as a plain table: columns, defaults and keys, without its foreign keys, further indexes, triggers and rights.`,
  };
}
