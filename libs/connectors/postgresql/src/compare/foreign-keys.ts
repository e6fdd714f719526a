import { binary, readNameList, readQualifiedName } from '../decode/sql-text.js';
import { readConstraint, tableNameIn } from '../decode/table-shape.js';
import type { Toc, TocEntry } from '../logical/archive-toc.js';
import type { UndoneTable } from './undo-rows.js';

export interface ForeignKey {
  entry: TocEntry;
  /** The tables it restricts and refers to; of a partition, the table that all its partitions make. */
  child: string;
  parent: string;
  columns: string[];
  referenced: string[];
}

/** All that the undo does to a table and its partitions. */
interface Touched {
  tables: UndoneTable[];
  removes: boolean;
  inserts: boolean;
  rewrites: boolean;
  updated: ReadonlySet<string>;
  key: string[];
}

/** Partition → the table at the root of its tree, both as SQL names them. */
export function rootsOf(toc: Toc): (table: string) => string {
  const parents = new Map<string, string>();
  const names = new Map(
    toc.entries.filter(({ description }) => description === 'TABLE').map((entry) => [entry.dumpId, tableNameIn(binary(entry.definition))]),
  );
  for (const entry of toc.entries) {
    if (entry.description !== 'TABLE ATTACH') continue;
    const [start] = /^ALTER TABLE (?:ONLY )?/.exec(binary(entry.definition)) ?? [];
    if (start === undefined) continue;
    const parent = readQualifiedName(binary(entry.definition), start.length).text;
    const child = entry.dependencies.map((id) => names.get(id)).find((name) => name !== undefined && name !== parent);
    if (child !== undefined) parents.set(child, parent);
  }
  return (table) => {
    let root = table;
    for (let parent = parents.get(root); parent !== undefined; parent = parents.get(root)) root = parent;
    return root;
  };
}

export function foreignKeysOf(toc: Toc, rootOf: (table: string) => string): ForeignKey[] {
  return toc.entries.flatMap((entry): ForeignKey[] => {
    if (entry.description !== 'FK CONSTRAINT') return [];
    const definition = binary(entry.definition);
    const constraint = readConstraint(definition);
    const references = definition.lastIndexOf(' REFERENCES ');
    if (!constraint || references < 0) return [];
    const { text: parent, end } = readQualifiedName(definition, references + ' REFERENCES '.length);
    const referenced = definition[end] === '(' ? readNameList(definition, end).names : [];
    return [{ entry, child: rootOf(constraint.table), parent: rootOf(parent), columns: constraint.columns, referenced }];
  });
}

/**
 * Tables in an order in which children come before the tables that they refer to, and the foreign keys that no order of
 * statements can keep satisfied all the time: those are dropped meanwhile, and checked when they are made again.
 */
export function orderByForeignKeys(
  tables: readonly UndoneTable[],
  foreignKeys: readonly ForeignKey[],
  rootOf: (table: string) => string,
): { childrenFirst: UndoneTable[]; dropped: ForeignKey[] } {
  const touched = new Map<string, Touched>();
  for (const [root, members] of Map.groupBy(tables, ({ sqlName }) => rootOf(sqlName))) touched.set(root, merged(members));
  const parents = new Map<string, Set<string>>();
  for (const { child, parent } of foreignKeys)
    if (child !== parent && touched.has(child) && touched.has(parent)) parents.set(child, (parents.get(child) ?? new Set()).add(parent));
  const { order, cyclic } = topological([...touched.keys()], parents);
  const dropped = foreignKeys.filter((foreignKey) => {
    const inCycle = cyclic.has(foreignKey.child) && cyclic.has(foreignKey.parent);
    return standsInTheWay(foreignKey, touched.get(foreignKey.child), touched.get(foreignKey.parent), inCycle);
  });
  return { childrenFirst: order.flatMap((root) => touched.get(root)!.tables), dropped };
}

function merged(tables: UndoneTable[]): Touched {
  const removes = tables.some((table) => table.removes);
  const inserts = tables.some((table) => table.inserts);
  return {
    tables,
    removes,
    inserts,
    // A row that goes from one partition to another keeps its key.
    rewrites: tables.some((table) => table.rewrites) || (tables.length > 1 && removes && inserts),
    updated: new Set(tables.flatMap(({ updated }) => [...updated])),
    key: tables[0]?.key ?? [],
  };
}

function standsInTheWay(
  { child: childName, parent: parentName, columns, referenced }: ForeignKey,
  child: Touched | undefined,
  parent: Touched | undefined,
  inCycle: boolean,
): boolean {
  if (!parent) return false;
  const parentMoves = parent.removes || parent.inserts || parent.rewrites;
  if (parent.rewrites) return true;
  // A key that isn't the primary one may have gone from one row to another.
  const refersToOther = referenced.toSorted().join('\0') !== parent.key.toSorted().join('\0');
  if (refersToOther && ((parent.removes && parent.inserts) || referenced.some((column) => parent.updated.has(column)))) return true;
  if (!child || !parentMoves) return false;
  return childName === parentName || inCycle || columns.some((column) => child.updated.has(column));
}

/** Children first; tables on a cycle come in any order. */
function topological(nodes: string[], parents: ReadonlyMap<string, ReadonlySet<string>>): { order: string[]; cyclic: Set<string> } {
  const left = new Map(nodes.map((node) => [node, 0]));
  for (const node of nodes) for (const parent of parents.get(node) ?? []) left.set(parent, (left.get(parent) ?? 0) + 1);
  const order: string[] = [];
  const free = nodes.filter((node) => left.get(node) === 0);
  for (let node = free.pop(); node !== undefined; node = free.pop()) {
    order.push(node);
    left.delete(node);
    for (const parent of parents.get(node) ?? []) {
      const children = (left.get(parent) ?? 0) - 1;
      left.set(parent, children);
      if (children === 0) free.push(parent);
    }
  }
  return { order: [...order, ...left.keys()], cyclic: new Set(left.keys()) };
}
