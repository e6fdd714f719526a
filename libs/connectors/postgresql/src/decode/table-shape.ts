import { RahatError } from '@rahat/contracts';
import type { Toc, TocEntry } from '../logical/archive-toc.js';
import { binary, endOfType, readName, readNameList, readQualifiedName, splitBody } from './sql-text.js';

/** A table with rows, as binary SQL text has it. */
export interface TableShape {
  /** Its data's entry in the table of contents. */
  data: TocEntry;
  /** As SQL names it: `"schema"."table"`. */
  sqlName: string;
  /** In the order of the stored rows; without generated ones. */
  columns: string[];
  /** Of each column, as far as the dump tells. */
  types: Map<string, string>;
  /** Columns of the primary key, if the rows hold all of them. */
  key: string[];
}

export interface ColumnDefinition {
  name: string;
  type: string;
  /** Defaults and constraints behind the type. */
  rest: string;
}

/** What the table of contents says of tables, by their SQL name. */
export class TableCatalog {
  readonly #definitions = new Map<string, string>();
  readonly #compositeTypes = new Map<string, string>();
  readonly #keys = new Map<string, string[]>();

  constructor(toc: Toc) {
    for (const entry of toc.entries) {
      if (entry.description === 'TABLE' || entry.description === 'FOREIGN TABLE') this.#addTable(binary(entry.definition));
      else if (entry.description === 'TYPE') this.#addType(binary(entry.definition));
      else if (entry.description === 'CONSTRAINT') this.#addKey(binary(entry.definition));
    }
  }

  shapeOf(data: TocEntry): TableShape {
    const { sqlName, columns } = readCopyStatement(data);
    const types = new Map(this.columnsOf(sqlName).map(({ name, type }) => [name, type]));
    const key = this.#keys.get(sqlName) ?? [];
    return { data, sqlName, columns, types, key: key.every((column) => columns.includes(column)) ? key : [] };
  }

  keyOf(sqlName: string): string[] {
    return this.#keys.get(sqlName) ?? [];
  }

  /** Its own, those of what it inherits from, or of its type. */
  columnsOf(sqlName: string, seen = new Set<string>()): ColumnDefinition[] {
    const definition = this.#definitions.get(sqlName);
    if (definition === undefined || seen.has(sqlName)) return [];
    seen.add(sqlName);
    const { columns, parents, ofType } = readTableDefinition(definition);
    const typed = ofType === undefined ? [] : columnDefinitions(this.#compositeTypes.get(ofType) ?? '');
    return [...parents.flatMap((parent) => this.columnsOf(parent, seen)), ...columns.filter(({ type }) => type !== ''), ...typed];
  }

  #addTable(definition: string): void {
    const name = tableNameIn(definition);
    if (name !== undefined) this.#definitions.set(name, definition);
  }

  #addType(definition: string): void {
    const [start] = /^CREATE TYPE /.exec(definition) ?? [];
    if (start === undefined) return;
    const { text, end } = readQualifiedName(definition, start.length);
    if (definition.startsWith(' AS (', end)) this.#compositeTypes.set(text, definition);
  }

  #addKey(definition: string): void {
    const constraint = readConstraint(definition);
    if (constraint?.kind === 'PRIMARY KEY') this.#keys.set(constraint.table, constraint.columns);
  }
}

export interface ConstraintDefinition {
  table: string;
  name: string;
  kind: string;
  columns: string[];
}

/** `ALTER TABLE [ONLY] t ADD CONSTRAINT c KIND (columns)…`; others have no columns. */
export function readConstraint(definition: string): ConstraintDefinition | undefined {
  const [start] = /^ALTER TABLE (?:ONLY )?/.exec(definition) ?? [];
  if (start === undefined) return undefined;
  const { text: table, end } = readQualifiedName(definition, start.length);
  const adding = /\s+ADD CONSTRAINT /y;
  adding.lastIndex = end;
  if (!adding.test(definition)) return undefined;
  const { name, end: afterName } = readName(definition, adding.lastIndex);
  const kind = / ((?:PRIMARY KEY|UNIQUE|FOREIGN KEY)(?: NULLS NOT DISTINCT)?) (?=\()/y;
  kind.lastIndex = afterName;
  const found = kind.exec(definition);
  if (!found) return { table, name, kind: 'other', columns: [] };
  return { table, name, kind: found[1]!, columns: readNameList(definition, kind.lastIndex).names };
}

interface TableDefinition {
  columns: ColumnDefinition[];
  parents: string[];
  ofType: string | undefined;
  partitioned: boolean;
}

export function readTableDefinition(definition: string): TableDefinition {
  const start = startOfTableName(definition);
  if (start === undefined) return { columns: [], parents: [], ofType: undefined, partitioned: false };
  const { end } = readQualifiedName(definition, start);
  const ofType = definition.startsWith(' OF ', end) ? readQualifiedName(definition, end + 4).text : undefined;
  const open = definition.indexOf('(', ofType === undefined ? end : end + 4 + ofType.length);
  const after = open < 0 ? definition.length : splitBody(definition, open).end;
  const partitioned = /^\s*PARTITION BY /.test(definition.slice(after));
  return { columns: columnDefinitions(definition.slice(end)), parents: inheritedFrom(definition, after), ofType, partitioned };
}

/** `COPY "schema"."table" ("a", "b") FROM stdin;` */
function readCopyStatement(data: TocEntry): { sqlName: string; columns: string[] } {
  const statement = binary(data.copyStatement);
  if (!statement.startsWith('COPY '))
    throw new RahatError('dump_invalid', `The data of ${data.namespace}.${data.tag} has no COPY statement`);
  const { text, end } = readQualifiedName(statement, 'COPY '.length);
  const open = /\s*\(/y;
  open.lastIndex = end;
  return { sqlName: text, columns: open.test(statement) ? readNameList(statement, open.lastIndex - 1).names : [] };
}

/** As SQL names it. */
export function tableNameIn(definition: string): string | undefined {
  const start = startOfTableName(definition);
  return start === undefined ? undefined : readQualifiedName(definition, start).text;
}

function startOfTableName(definition: string): number | undefined {
  return /^CREATE (?:UNLOGGED |FOREIGN )?TABLE /.exec(definition)?.[0].length;
}

function columnDefinitions(sql: string): ColumnDefinition[] {
  const open = sql.indexOf('(');
  if (open < 0) return [];
  return splitBody(sql, open)
    .parts.filter((part) => part.startsWith('"'))
    .map((part) => {
      const { name, end } = readName(part, 0);
      const behind = part.slice(end).trim();
      const typeEnd = endOfType(behind);
      return { name, type: behind.slice(0, typeEnd).trim(), rest: behind.slice(typeEnd).trim() };
    });
}

function inheritedFrom(definition: string, from: number): string[] {
  const inherits = /\s*INHERITS \(/y;
  inherits.lastIndex = from;
  if (!inherits.test(definition)) return [];
  const parents: string[] = [];
  for (let at = inherits.lastIndex; ;) {
    const { text, end } = readQualifiedName(definition, at);
    parents.push(text);
    if (definition[end] !== ',') return parents;
    at = end + 2;
  }
}
