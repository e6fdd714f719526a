import { binary, readQualifiedName, splitBody } from '../decode/sql-text.js';
import { readConstraint } from '../decode/table-shape.js';
import type { Toc } from '../logical/archive-toc.js';

/** A plain column in an index, in any order of it. */
const PLAIN_COLUMN = /^"((?:[^"]|"")+)"(?: (?:COLLATE|ASC|DESC|NULLS|"[^"]+").*)?$/s;

/**
 * Columns, besides the primary key, of which two rows of a table may not hold the same; `all` where that can't be told, as with
 * indexes on expressions. A change of such a column may collide with another row's for a moment.
 */
export class UniqueColumns {
  readonly #columns = new Map<string, Set<string> | 'all'>();

  constructor(toc: Toc) {
    for (const entry of toc.entries) {
      const definition = binary(entry.definition);
      if (entry.description === 'CONSTRAINT') this.#addConstraint(definition);
      else if (entry.description === 'INDEX') this.#addIndex(definition);
      else if (entry.description === 'SEQUENCE') this.#addIdentity(definition);
    }
  }

  /** Whether an UPDATE of these columns could meet another row, or is not allowed. */
  mayCollide(table: string, columns: readonly string[]): boolean {
    const unique = this.#columns.get(table);
    return unique === 'all' || (unique !== undefined && columns.some((column) => unique.has(column)));
  }

  #addConstraint(definition: string): void {
    const constraint = readConstraint(definition);
    if (!constraint) return;
    if (constraint.kind.startsWith('UNIQUE')) this.#add(constraint.table, constraint.columns);
    else if (constraint.kind === 'other' && definition.includes(' EXCLUDE ')) this.#columns.set(constraint.table, 'all');
  }

  #addIndex(definition: string): void {
    if (!definition.startsWith('CREATE UNIQUE INDEX ')) return;
    const on = / ON (?:ONLY )?(?=")/.exec(definition);
    if (!on) return;
    const { text: table, end } = readQualifiedName(definition, on.index + on[0].length);
    const { parts, end: after } = splitBody(definition, definition.indexOf('(', end));
    const columns = parts.map((part) => PLAIN_COLUMN.exec(part)?.[1]?.replaceAll('""', '"'));
    if (columns.includes(undefined) || definition.includes(' WHERE ', after)) this.#columns.set(table, 'all');
    else this.#add(table, columns as string[]);
  }

  /** An identity that is always generated can be inserted anew, and not be updated. */
  #addIdentity(definition: string): void {
    const [start] = /^ALTER TABLE (?:ONLY )?/.exec(definition) ?? [];
    if (start === undefined) return;
    const { text: table, end } = readQualifiedName(definition, start.length);
    const column = / ALTER COLUMN "((?:[^"]|"")+)" ADD GENERATED ALWAYS /y;
    column.lastIndex = end;
    const name = column.exec(definition)?.[1];
    if (name !== undefined) this.#add(table, [name.replaceAll('""', '"')]);
  }

  #add(table: string, columns: readonly string[]): void {
    const known = this.#columns.get(table) ?? new Set();
    if (known === 'all') return;
    for (const column of columns) known.add(column);
    this.#columns.set(table, known);
  }
}
