import type pg from 'pg';
import type { LiveTable } from './live-tables.js';

export interface LiveForeignKey {
  name: string;
  child: number;
  parent: number;
  /** Quoted, of the tables that it names: where they are partitioned, the root. */
  childName: string;
  parentName: string;
  /** The same for people. */
  childTitle: string;
  parentTitle: string;
  columns: string[];
  referenced: string[];
  /** Equality of each pair, the parent's column on its left. */
  operators: string[];
  /** Rows of the child can be looked at, and kept from being changed meanwhile. */
  mayRead: boolean;
  mayLock: boolean;
  /** Its check can wait for the end of the transaction. */
  deferrable: boolean;
  /** What a change of the parent does to children beside being refused. */
  cascades: { delete: boolean; update: boolean };
}

/** Foreign keys that point from or to these tables. */
export async function readForeignKeys(client: pg.Client, tables: readonly LiveTable[]): Promise<LiveForeignKey[]> {
  const oids = [...new Set(tables.flatMap(({ oid, root }) => [oid, root]))];
  const { rows } = await client.query<LiveForeignKey>(
    `
    SELECT k.conname::text AS name, coalesce(pg_partition_root(k.conrelid)::oid, k.conrelid)::int8::float8 AS child,
        coalesce(pg_partition_root(k.confrelid)::oid, k.confrelid)::int8::float8 AS parent,
        format('%I.%I', cn.nspname, c.relname) AS "childName", format('%I.%I', pn.nspname, p.relname) AS "parentName",
        cn.nspname || '.' || c.relname AS "childTitle", pn.nspname || '.' || p.relname AS "parentTitle",
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, n) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.n) AS columns,
        ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(attnum, n) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum ORDER BY u.n) AS referenced,
        ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM unnest(k.conpfeqop) WITH ORDINALITY AS u(op, nth) JOIN pg_operator o ON o.oid = u.op JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY u.nth) AS operators,
        has_table_privilege(k.conrelid, 'SELECT') AS "mayRead", has_table_privilege(k.conrelid, 'UPDATE, DELETE, TRUNCATE') AS "mayLock",
        k.condeferrable AND k.confdeltype <> 'r' AND k.confupdtype <> 'r' AS deferrable,
        json_build_object('delete', k.confdeltype IN ('c', 'n', 'd'), 'update', k.confupdtype IN ('c', 'n', 'd')) AS cascades
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
        JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid::int8 = ANY($1::int8[]) OR k.confrelid::int8 = ANY($1::int8[])) ORDER BY 4, 1`,
    [oids],
  );
  return rows;
}

export interface TableOrder<Table, ForeignKey> {
  childrenFirst: Table[];
  /** Foreign keys that make a circle and whose checks can't wait: no order of statements satisfies them. */
  inTheWay: ForeignKey[];
}

type Edge = Pick<LiveForeignKey, 'child' | 'parent' | 'deferrable'>;

/** Children before the tables that they refer to. Where that goes in a circle, foreign keys whose check can wait are left out of account. */
export function orderTables<Table extends { live: Pick<LiveTable, 'root'> }, ForeignKey extends Edge>(
  tables: readonly Table[],
  foreignKeys: readonly ForeignKey[],
): TableOrder<Table, ForeignKey> {
  const byRoot = Map.groupBy(tables, ({ live }) => live.root);
  const roots = [...byRoot.keys()];
  const inside = foreignKeys.filter(({ child, parent }) => child !== parent && byRoot.has(child) && byRoot.has(parent));
  const circles = circlesOf(roots, inside);
  const binding = inside.filter(({ child, parent, deferrable }) => !deferrable || circles.get(child) !== circles.get(parent));
  const left = circlesOf(roots, binding);
  // Parents are numbered before their children.
  const parentsFirst = roots.toSorted((one, other) => left.get(one)! - left.get(other)!);
  return {
    childrenFirst: parentsFirst.toReversed().flatMap((root) => byRoot.get(root)!),
    inTheWay: binding.filter(({ child, parent }) => left.get(child) === left.get(parent)),
  };
}

/** Numbers the circles that edges from child to parent make (Tarjan's strongly connected components); most tables are alone in theirs. */
function circlesOf(nodes: readonly number[], edges: readonly Edge[]): Map<number, number> {
  const parents = Map.groupBy(edges, ({ child }) => child);
  const seen = new Map<number, { at: number; low: number }>();
  const circles = new Map<number, number>();
  const open: number[] = [];
  let count = 0;
  const visit = (node: number): number => {
    const state = { at: seen.size, low: seen.size };
    seen.set(node, state);
    open.push(node);
    for (const { parent } of parents.get(node) ?? []) {
      if (!seen.has(parent)) state.low = Math.min(state.low, visit(parent));
      else if (!circles.has(parent)) state.low = Math.min(state.low, seen.get(parent)!.at);
    }
    if (state.low === state.at) {
      count++;
      for (let member = open.pop(); member !== undefined; member = member === node ? undefined : open.pop()) circles.set(member, count);
    }
    return state.low;
  };
  for (const node of nodes) if (!seen.has(node)) visit(node);
  return circles;
}
