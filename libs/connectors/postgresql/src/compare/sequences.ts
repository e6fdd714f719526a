import { binary } from '../decode/sql-text.js';
import type { Toc } from '../logical/archive-toc.js';

export interface DifferingSequence {
  schema: string;
  name: string;
  older: string | null;
  newer: string | null;
  /** SQL that sets it back; none for a sequence that only one side has, which its own definition and value make. */
  undo: string[];
}

/** `SELECT pg_catalog.setval('"s"."q"', 42, true);` */
const SETVAL = /setval\('(?:[^']|'')*', (-?\d+), (true|false)\);\s*$/;

export function differingSequences(older: Toc, newer: Toc): DifferingSequence[] {
  const [before, after] = [valuesOf(older), valuesOf(newer)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [had, has] = [before.get(key), after.get(key)];
    if (had?.value === has?.value) return [];
    const { schema, name } = (had ?? has)!;
    return [{ schema, name, older: had?.value ?? null, newer: has?.value ?? null, undo: had ? [had.sql] : [] }];
  });
}

interface SequenceValue {
  schema: string;
  name: string;
  value: string;
  sql: string;
}

function valuesOf(toc: Toc): Map<string, SequenceValue> {
  const values = new Map<string, SequenceValue>();
  for (const entry of toc.entries) {
    if (entry.description !== 'SEQUENCE SET') continue;
    const sql = binary(entry.definition).trim();
    const [, value, called] = SETVAL.exec(sql) ?? [];
    if (value === undefined) continue;
    values.set(`${entry.namespace}\0${entry.tag}`, {
      schema: entry.namespace,
      name: entry.tag,
      value: called === 'true' ? value : `${value} (not used yet)`,
      sql,
    });
  }
  return values;
}
