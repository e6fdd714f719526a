import type { Finding } from '@rahat/contracts';
import { binary, quoteBinaryName } from '../decode/sql-text.js';
import { readTableDefinition, tableNameIn, type ColumnDefinition } from '../decode/table-shape.js';
import { SECTION, type Toc, type TocEntry } from '../logical/archive-toc.js';
import type { ChangedObject } from './schema-difference.js';

/** SQL that makes the newer schema into the older one, in its places around that of the rows. */
export interface SchemaUndo {
  /** Takes away what is new, before rows are touched. */
  drop: string[];
  /** Makes what rows need: types, tables, columns. */
  beforeRows: string[];
  /** Makes what rows are checked by: constraints, indexes, triggers. */
  afterRows: string[];
  /** What is left to a person. */
  findings: Finding[];
}

/** Replaced where they stand, because others depend on them. */
const REPLACEABLE = new Set(['FUNCTION', 'PROCEDURE']);
/** Their dependents are in the way of a change of them. */
const VIEWS = new Set(['VIEW', 'MATERIALIZED VIEW']);
/** Can't be dropped while something uses them. */
const USED_BY_COLUMNS = new Set(['TYPE', 'DOMAIN', 'SCHEMA', 'EXTENSION', 'COLLATION', 'SEQUENCE', 'FOREIGN TABLE', 'SHELL TYPE']);

export function undoSchema(changes: readonly ChangedObject[], older: Toc, newer: Toc): SchemaUndo {
  const undo: SchemaUndo = { drop: [], beforeRows: [], afterRows: [], findings: [] };
  const gone = new Set<TocEntry>();
  const back = new Set<TocEntry>();
  const altered: [TocEntry, TocEntry][] = [];
  for (const { change, older: before, newer: after } of changes) {
    const [first] = before.length > 0 ? before : after;
    if (!first) continue;
    if (change === 'removed') for (const entry of before) back.add(entry);
    else if (change === 'added') for (const entry of after) gone.add(entry);
    else if (first.description === 'TABLE') altered.push([before[0]!, after[0]!]);
    else if (cannotBeMadeAnew(first) || before.length !== 1 || after.length !== 1 || before[0]!.owner !== after[0]!.owner) {
      undo.findings.push(leftToPeople(first));
    } else {
      if (!REPLACEABLE.has(first.description)) gone.add(after[0]!);
      back.add(before[0]!);
    }
  }
  addDependents(gone, back, altered, older, newer);
  for (const entry of newer.entries.toReversed()) if (gone.has(entry)) undo.drop.push(...dropping(entry, gone, newer));
  for (const [before, after] of altered) alterTable(before, after, undo);
  for (const entry of older.entries) {
    if (!back.has(entry)) continue;
    if (entry.description === 'ACL' || entry.description === 'DEFAULT ACL') undo.findings.push(leftToPeople(entry));
    const place = entry.section === SECTION.postData ? undo.afterRows : undo.beforeRows;
    place.push(...making(entry));
  }
  return undo;
}

function cannotBeMadeAnew({ description }: TocEntry): boolean {
  return USED_BY_COLUMNS.has(description) || description.endsWith('ACL') || description === 'SECURITY LABEL';
}

function leftToPeople({ description, namespace, tag }: TocEntry): Finding {
  return {
    code: 'difference_not_undone',
    severity: 'warning',
    object: `${namespace === '' ? '' : `${namespace}.`}${tag}`,
    message: `The SQL that undoes the difference leaves this ${description} as it is.`,
    fix: 'Compare both definitions in the report, and change it by hand.',
  };
}

/** Views that use what goes or changes go with it, and come back as they were. */
function addDependents(gone: Set<TocEntry>, back: Set<TocEntry>, altered: readonly [TocEntry, TocEntry][], older: Toc, newer: Toc): void {
  const dependents = Map.groupBy(
    newer.entries.flatMap((entry) => entry.dependencies.map((id) => ({ id, entry }))),
    ({ id }) => id,
  );
  const former = new Map(older.entries.map((entry) => [`${entry.description}\0${entry.namespace}\0${entry.tag}`, entry]));
  const open = [...[...gone].filter(({ description }) => VIEWS.has(description)), ...altered.map(([, after]) => after)];
  for (let next = open.pop(); next; next = open.pop()) {
    for (const { entry } of dependents.get(next.dumpId) ?? []) {
      if (gone.has(entry) || entry.section === SECTION.data) continue;
      if (next.description === 'TABLE' && !VIEWS.has(entry.description)) continue;
      gone.add(entry);
      const before = former.get(`${entry.description}\0${entry.namespace}\0${entry.tag}`);
      if (before) back.add(before);
      open.push(entry);
    }
  }
}

function dropping(entry: TocEntry, gone: ReadonlySet<TocEntry>, newer: Toc): string[] {
  const sql = binary(entry.dropStatement).trim();
  if (sql !== '') return [sql];
  const definition = binary(entry.definition).trim();
  switch (entry.description) {
    case 'COMMENT':
      return isOfGone(entry, gone, newer) ? [] : [definition.replace(/ IS (?:E?'(?:[^']|'')*');$/, ' IS NULL;')];
    case 'ROW SECURITY':
      return isOfGone(entry, gone, newer) ? [] : [definition.replace(' ENABLE ROW', ' DISABLE ROW').replace(' FORCE ROW', ' NO FORCE ROW')];
    case 'TABLE ATTACH':
      return isOfGone(entry, gone, newer)
        ? []
        : [definition.replace(/ ATTACH PARTITION ("(?:[^"]|"")+"\."(?:[^"]|"")+").*$/s, ' DETACH PARTITION $1;')];
    default:
      return [];
  }
}

function isOfGone(entry: TocEntry, gone: ReadonlySet<TocEntry>, newer: Toc): boolean {
  const ids = new Set(entry.dependencies);
  return newer.entries.some((other) => ids.has(other.dumpId) && gone.has(other));
}

function making(entry: TocEntry): string[] {
  const definition = binary(entry.definition).trim();
  if (definition === '') return [];
  const sql = REPLACEABLE.has(entry.description) ? definition.replace(/^CREATE (FUNCTION|PROCEDURE)/, 'CREATE OR REPLACE $1') : definition;
  return [sql, ...owning(entry)];
}

/** What belongs to somebody else than whoever runs the script. */
export function owning({ description, owner, dropStatement }: TocEntry): string[] {
  if (
    owner === '' ||
    !['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'FUNCTION', 'PROCEDURE', 'SCHEMA', 'TYPE', 'DOMAIN'].includes(description)
  )
    return [];
  const drop = /^DROP ([A-Z ]+?) (?:IF EXISTS )?(.+);$/s.exec(binary(dropStatement).trim());
  if (!drop) return [];
  return [`ALTER ${drop[1]} ${drop[2]} OWNER TO ${quoteBinaryName(Buffer.from(owner, 'utf8').toString('latin1'))};`];
}

/** Column by column; what else differs is left to people. */
function alterTable(older: TocEntry, newer: TocEntry, undo: SchemaUndo): void {
  const [before, after] = [binary(older.definition), binary(newer.definition)];
  const table = tableNameIn(before);
  if (table === undefined || table !== tableNameIn(after)) return void undo.findings.push(leftToPeople(older));
  const [had, has] = [readTableDefinition(before), readTableDefinition(after)];
  const now = new Map(has.columns.map((column) => [column.name, column]));
  const wanted = new Set(had.columns.map(({ name }) => name));
  for (const { name } of has.columns)
    if (!wanted.has(name)) undo.beforeRows.push(`ALTER TABLE ${table} DROP COLUMN ${quoteBinaryName(name)};`);
  for (const column of had.columns) {
    const current = now.get(column.name);
    if (!current) addColumn(table, column, undo);
    else if (current.type !== column.type || current.rest !== column.rest) changeColumn(table, column, current, undo, older);
  }
  const others = (definition: string): string => definition.replaceAll(/^ {4}".*$/gm, '').replaceAll(/[\s,]+/g, ' ');
  if (others(before) !== others(after) || older.owner !== newer.owner) undo.findings.push(leftToPeople(older));
}

/** Its values come with the rows; only then can it be NOT NULL. */
function addColumn(table: string, { name, type, rest }: ColumnDefinition, undo: SchemaUndo): void {
  const mustHaveValue = /\bNOT NULL\b/.test(rest) && !/^GENERATED /.test(rest);
  const column = quoteBinaryName(name);
  const without = mustHaveValue ? rest.replace(/\s*(CONSTRAINT "(?:[^"]|"")+" )?\bNOT NULL\b/, '') : rest;
  undo.beforeRows.push(`ALTER TABLE ${table} ADD COLUMN ${column} ${type} ${without}`.trimEnd() + ';');
  if (/\bDEFAULT\b/.test(without)) undo.beforeRows.push(`UPDATE ${table} SET ${column} = NULL;`);
  if (mustHaveValue) undo.afterRows.unshift(`ALTER TABLE ${table} ALTER COLUMN ${column} SET NOT NULL;`);
}

function changeColumn(table: string, older: ColumnDefinition, newer: ColumnDefinition, undo: SchemaUndo, entry: TocEntry): void {
  const column = quoteBinaryName(older.name);
  const alter = `ALTER TABLE ${table} ALTER COLUMN ${column}`;
  const [had, has] = [constraintsOf(older.rest), constraintsOf(newer.rest)];
  if (had.other !== has.other) return void undo.findings.push(leftToPeople(entry));
  if (has.notNull && !had.notNull) undo.beforeRows.push(`${alter} DROP NOT NULL;`);
  if (older.type !== newer.type) {
    if (has.fallback !== undefined) undo.beforeRows.push(`${alter} DROP DEFAULT;`);
    undo.beforeRows.push(`${alter} TYPE ${older.type} USING ${column}::${older.type};`);
  }
  if (had.fallback !== undefined && (had.fallback !== has.fallback || older.type !== newer.type))
    undo.beforeRows.push(`${alter} SET DEFAULT ${had.fallback};`);
  else if (had.fallback === undefined && has.fallback !== undefined && older.type === newer.type)
    undo.beforeRows.push(`${alter} DROP DEFAULT;`);
  if (had.notNull && !has.notNull) undo.afterRows.unshift(`${alter} SET NOT NULL;`);
}

function constraintsOf(rest: string): { notNull: boolean; fallback: string | undefined; other: string } {
  const notNull = / ?\bNOT NULL$/.exec(rest);
  const withoutNull = notNull ? rest.slice(0, notNull.index) : rest;
  const fallback = /^DEFAULT ([\s\S]+)$/.exec(withoutNull.trim())?.[1];
  return { notNull: notNull !== null, fallback, other: fallback === undefined ? withoutNull.trim() : '' };
}
