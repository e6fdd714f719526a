import { sqlPreamble } from '../decode/export-sql.js';
import { binary, quoteBinaryName, readName } from '../decode/sql-text.js';
import { tableNameIn } from '../decode/table-shape.js';
import type { Toc, TocEntry } from '../logical/archive-toc.js';
import type { ComparedDatabase } from './compared-database.js';
import { foreignKeysOf, orderByForeignKeys, rootsOf } from './foreign-keys.js';
import type { SchemaUndo } from './undo-schema.js';
import type { UndoneTable } from './undo-rows.js';
import type { UndoPhase } from './undo-spool.js';

interface UndoParts {
  older: ComparedDatabase;
  newer: ComparedDatabase;
  schema: SchemaUndo;
  tables: UndoneTable[];
  sequences: string[];
  hasMoney: boolean;
}

/** One transaction that makes the newer database into the older one: children first when rows go, parents first when they come. */
export async function* undoScript({ older, newer, schema, tables, sequences, hasMoney }: UndoParts): AsyncGenerator<Buffer> {
  const { encoding, lcMonetary } = older.facts;
  const rootOf = rootsOf(newer.toc);
  const standing = new Set(older.toc.entries.map(identity));
  const common = foreignKeysOf(newer.toc, rootOf).filter(({ entry }) => standing.has(identity(entry)));
  const { childrenFirst, dropped } = orderByForeignKeys(tables, common, rootOf);
  const silenced = triggersAndRules(newer.toc, standing, new Set(tables.flatMap(({ sqlName }) => [sqlName, rootOf(sqlName)])));
  yield text([
    '-- Makes the newer database into the older one. For the very state that was compared; all of it or nothing.',
    sqlPreamble({ encoding, ...(hasMoney && { lcMonetary }) }).trimEnd(),
    'SET check_function_bodies = false;',
    'BEGIN;',
    ...schema.drop,
    ...schema.beforeRows,
    ...silenced.map(({ off }) => off),
    ...dropped.map(({ entry }) => binary(entry.dropStatement).trim()),
  ]);
  yield* phase('delete', childrenFirst);
  yield* phase('update', childrenFirst);
  yield* phase('insert', childrenFirst.toReversed());
  yield text([
    ...sequences,
    // Checks that wait for the transaction's end would be in the way of the statements that follow.
    'SET CONSTRAINTS ALL IMMEDIATE;',
    ...dropped.map(({ entry }) => binary(entry.definition).trim()),
    ...silenced.map(({ on }) => on),
    ...schema.afterRows,
    'COMMIT;',
  ]);
}

async function* phase(which: UndoPhase, tables: readonly UndoneTable[]): AsyncGenerator<Buffer> {
  for (const { spool } of tables) yield* spool.read(which);
}

function text(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
}

function identity(entry: TocEntry): string {
  return `${entry.description}\0${entry.namespace}\0${entry.tag}\0${binary(entry.definition)}`;
}

/** Nothing but the statements themselves may change rows. */
function triggersAndRules(toc: Toc, standing: ReadonlySet<string>, touched: ReadonlySet<string>): { off: string; on: string }[] {
  const tables = new Map(
    toc.entries.filter(({ description }) => description === 'TABLE').map((entry) => [entry.dumpId, tableNameIn(binary(entry.definition))]),
  );
  return toc.entries.flatMap((entry) => {
    if ((entry.description !== 'TRIGGER' && entry.description !== 'RULE') || !standing.has(identity(entry))) return [];
    const table = entry.dependencies.map((id) => tables.get(id)).find((name) => name !== undefined && touched.has(name));
    const definition = binary(entry.definition);
    const start = /^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?(?:TRIGGER|RULE) /.exec(definition)?.[0].length;
    const state =
      /\n\s*ALTER TABLE [^;]+ (DISABLE|ENABLE ALWAYS|ENABLE REPLICA) (?:TRIGGER|RULE) [^;]+;\s*$/.exec(definition)?.[1] ?? 'ENABLE';
    if (table === undefined || start === undefined || state === 'DISABLE' || state === 'ENABLE REPLICA') return [];
    const name = `${entry.description} ${quoteBinaryName(readName(definition, start).name)}`;
    return [{ off: `ALTER TABLE ${table} DISABLE ${name};`, on: `ALTER TABLE ${table} ${state} ${name};` }];
  });
}
