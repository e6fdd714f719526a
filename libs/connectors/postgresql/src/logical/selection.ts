import { isUtf8 } from 'node:buffer';
import { RahatError, type Finding } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import type { Toc, TocEntry } from './archive-toc.js';

export interface Selection {
  /** In the archive's order. */
  entries: TocEntry[];
  /** The chosen tables, with the partitions of chosen partitioned tables. */
  tables: TocEntry[];
  /** Parts of the chosen tables that need tables which are not chosen. */
  leftOut: LeftOut[];
  findings: Finding[];
}

export interface LeftOut {
  part: TocEntry;
  lacking: TocEntry[];
  /** What it needs besides. */
  needs: TocEntry[];
}

/** What belongs to a table and comes back with it, when all that it needs comes too. */
const PARTS_OF_A_TABLE = new Set([
  'TABLE DATA',
  'DEFAULT',
  'SEQUENCE',
  'SEQUENCE OWNED BY',
  'SEQUENCE SET',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'INDEX',
  'INDEX ATTACH',
  'TABLE ATTACH',
  'TRIGGER',
  'RULE',
  'POLICY',
  'ROW SECURITY',
  'ACL',
  'COMMENT',
  'SECURITY LABEL',
  'STATISTICS',
  'STATISTICS DATA',
]);
/** What is never pulled in because something else needs it: it holds rows of its own. */
const RELATIONS = new Set(['TABLE', 'FOREIGN TABLE', 'MATERIALIZED VIEW', 'VIEW']);

/** Everything, or chosen tables with what belongs to them and what they need (types, functions, schemas, extensions). */
export function selectEntries(toc: Toc, wanted: readonly (readonly [schema: string, table: string])[] | undefined): Selection {
  const allTables = toc.entries.filter((entry) => entry.description === 'TABLE');
  if (wanted === undefined) return { entries: toc.entries, tables: allTables, leftOut: [], findings: [] };
  if (wanted.length === 0)
    throw new RahatError('restore_selection_empty', 'No table is chosen', { hint: 'Name at least one table, or restore everything.' });

  const chosen = new Set<TocEntry>();
  for (const [schema, table] of wanted) {
    const entry = allTables.find((candidate) => candidate.namespace === schema && candidate.tag === table);
    if (!entry)
      throw new RahatError('not_found', `The backup holds no table ${schema}.${table}`, {
        hint: 'Look at the objects of the backup; names are case-sensitive.',
      });
    chosen.add(entry);
  }
  const graph = new EntryGraph(toc);
  graph.addPartitions(chosen);
  const taken = new Set<TocEntry>(chosen);
  const findings: Finding[] = [];
  // A table's own needs come always; a part that needs another table stays behind, and is named.
  for (const table of chosen) {
    const needs = graph.needs(table, chosen);
    for (const need of needs.entries) taken.add(need);
    for (const lacking of needs.lacking) {
      findings.push({
        code: 'needed_table_not_chosen',
        severity: 'blocker',
        object: `${table.namespace}.${table.tag}`,
        message: `The table needs ${lacking.namespace}.${lacking.tag}, which is not chosen.`,
        fix: `Choose ${lacking.namespace}.${lacking.tag} too.`,
      });
    }
  }
  // Taking a part may take a sequence, which has parts of its own.
  const leftOut = new Map<TocEntry, LeftOut>();
  for (let before = -1; before !== taken.size;) {
    before = taken.size;
    for (const part of graph.partsOf(taken)) {
      const needs = graph.needs(part, chosen);
      if (needs.lacking.length === 0) [part, ...needs.entries].forEach((entry) => taken.add(entry));
      else leftOut.set(part, { part, lacking: needs.lacking, needs: needs.entries });
    }
  }
  for (const entry of toc.entries) if (isSetting(entry)) taken.add(entry);
  return { entries: toc.entries.filter((entry) => taken.has(entry)), tables: [...chosen], leftOut: [...leftOut.values()], findings };
}

export function partNotRestored({ part, lacking }: LeftOut): Finding {
  return {
    code: 'part_not_restored',
    severity: part.description === 'FK CONSTRAINT' ? 'warning' : 'info',
    object: `${part.namespace}.${part.tag}`,
    message: `${part.description} is left out: ${lacking.map((entry) => `${entry.namespace}.${entry.tag}`).join(', ')} is not chosen.`,
    fix: part.definition.toString('utf8').trim(),
  };
}

function restricts(foreignKey: TocEntry, table: TocEntry): boolean {
  const sql = foreignKey.definition.toString(isUtf8(foreignKey.definition) ? 'utf8' : 'latin1');
  const name = `${quoteIdentifier(table.namespace)}.${quoteIdentifier(table.tag)}\n`;
  return sql.startsWith(`ALTER TABLE ONLY ${name}`) || sql.startsWith(`ALTER TABLE ${name}`);
}

/** Entries without which no object is read right: encoding, string syntax, search path. */
function isSetting(entry: TocEntry): boolean {
  return entry.description === 'ENCODING' || entry.description === 'STDSTRINGS' || entry.description === 'SEARCHPATH';
}

class EntryGraph {
  readonly #byId: Map<number, TocEntry>;
  readonly #dependents = new Map<number, TocEntry[]>();
  readonly #schemas: Map<string, TocEntry>;

  constructor(private readonly toc: Toc) {
    this.#byId = new Map(toc.entries.map((entry) => [entry.dumpId, entry]));
    this.#schemas = new Map(toc.entries.filter((entry) => entry.description === 'SCHEMA').map((entry) => [entry.tag, entry]));
    for (const entry of toc.entries) {
      for (const id of entry.dependencies) {
        const known = this.#dependents.get(id);
        if (known) known.push(entry);
        else this.#dependents.set(id, [entry]);
      }
    }
  }

  addPartitions(chosen: Set<TocEntry>): void {
    const attached = this.toc.entries.filter((entry) => entry.description === 'TABLE ATTACH');
    for (const parent of chosen) {
      for (const attach of attached) {
        const tables = attach.dependencies.map((id) => this.#byId.get(id)).filter((entry) => entry?.description === 'TABLE');
        const child = tables.find((table) => table?.namespace === attach.namespace && table.tag === attach.tag);
        if (child && child !== parent && tables.includes(parent)) chosen.add(child);
      }
    }
  }

  /** All that must be there before the entry: entries to take along, and tables that were not chosen. */
  needs(entry: TocEntry, chosen: ReadonlySet<TocEntry>): { entries: TocEntry[]; lacking: TocEntry[] } {
    const entries = new Set<TocEntry>();
    const lacking = new Set<TocEntry>();
    const open = [entry];
    for (let next = open.pop(); next; next = open.pop()) {
      const schema = this.#schemas.get(next.namespace);
      for (const need of [...next.dependencies.map((id) => this.#byId.get(id)), schema]) {
        if (!need || need === entry || entries.has(need) || chosen.has(need)) continue;
        if (RELATIONS.has(need.description)) {
          lacking.add(need);
          continue;
        }
        entries.add(need);
        open.push(need);
      }
    }
    return { entries: [...entries], lacking: [...lacking] };
  }

  /** Parts of what is taken, and parts of parts (a comment on an index, the value of an owned sequence). */
  partsOf(taken: ReadonlySet<TocEntry>): TocEntry[] {
    const parts = new Set<TocEntry>();
    const open = [...taken].filter((entry) => entry.description === 'TABLE' || entry.description === 'SEQUENCE');
    for (let next = open.pop(); next; next = open.pop()) {
      for (const dependent of this.#dependents.get(next.dumpId) ?? []) {
        if (!PARTS_OF_A_TABLE.has(dependent.description) || parts.has(dependent) || taken.has(dependent)) continue;
        // A foreign key depends on both of its tables and is a part of the one that it restricts.
        if (dependent.description === 'FK CONSTRAINT' && !restricts(dependent, next)) continue;
        parts.add(dependent);
        open.push(dependent);
      }
    }
    // In the archive's order: a constraint comes before what needs it.
    return this.toc.entries.filter((entry) => parts.has(entry));
  }
}
