import type { SchemaDifference } from '@rahat/connector-kit';
import { binary, splitBody } from '../decode/sql-text.js';
import type { Toc, TocEntry } from '../logical/archive-toc.js';

/** Rows, values and settings: they are compared otherwise, or say nothing about the schema. */
const NOT_SCHEMA = new Set([
  'TABLE DATA',
  'SEQUENCE SET',
  'MATERIALIZED VIEW DATA',
  'STATISTICS DATA',
  'BLOB',
  'BLOBS',
  'BLOB METADATA',
  'ENCODING',
  'STDSTRINGS',
  'SEARCHPATH',
  'DATABASE',
  'DATABASE PROPERTIES',
]);

/** An object that differs, with the entries that make it. */
export interface ChangedObject {
  change: SchemaDifference['change'];
  older: TocEntry[];
  newer: TocEntry[];
}

/** Objects by type, schema and name, whatever their order; so are the columns of a table. */
export function changedObjects(older: Toc, newer: Toc): ChangedObject[] {
  const before = objectsOf(older);
  const after = objectsOf(newer);
  const changed: ChangedObject[] = [];
  for (const [key, entries] of before) {
    const counterpart = after.get(key);
    if (!counterpart) changed.push({ change: 'removed', older: entries, newer: [] });
    else if (normalised(entries) !== normalised(counterpart)) changed.push({ change: 'changed', older: entries, newer: counterpart });
  }
  for (const [key, entries] of after) if (!before.has(key)) changed.push({ change: 'added', older: [], newer: entries });
  return changed;
}

export function presentObject({ change, older, newer }: ChangedObject, readable: (text: string) => string): SchemaDifference {
  const [{ description, namespace, tag }] = (older.length > 0 ? older : newer) as [TocEntry];
  const owned = older.map(({ owner }) => owner).join() !== newer.map(({ owner }) => owner).join() && change === 'changed';
  const show = (entries: TocEntry[]): string | null =>
    entries.length === 0
      ? null
      : entries.map((entry) => `${readable(binary(entry.definition)).trim()}${owned ? `\n-- owner: ${entry.owner}` : ''}`).join('\n\n');
  return { type: description, schema: namespace, name: tag, change, older: show(older), newer: show(newer) };
}

/** Said about the database itself, whose name may be another. */
function isOfDatabase({ namespace, tag }: TocEntry): boolean {
  return namespace === '' && tag.startsWith('DATABASE ');
}

function objectsOf(toc: Toc): Map<string, TocEntry[]> {
  const objects = new Map<string, TocEntry[]>();
  for (const entry of toc.entries) {
    if (NOT_SCHEMA.has(entry.description) || isOfDatabase(entry)) continue;
    const key = `${entry.description}\0${entry.namespace}\0${entry.tag}`;
    const known = objects.get(key);
    // Default rights of several roles have the same name.
    if (known) known.push(entry);
    else objects.set(key, [entry]);
  }
  return objects;
}

function normalised(entries: readonly TocEntry[]): string {
  return entries
    .map((entry) => `${entry.owner}\0${normalisedDefinition(entry)}`)
    .toSorted()
    .join('\0');
}

function normalisedDefinition(entry: TocEntry): string {
  const definition = binary(entry.definition).trim();
  if (entry.description !== 'TABLE') return definition;
  const open = definition.indexOf('(');
  if (open < 0) return definition;
  const { parts, end } = splitBody(definition, open);
  return [definition.slice(0, open), ...parts.toSorted(), definition.slice(end)].join('\n');
}
