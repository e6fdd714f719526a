import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import { listOf, type ChangeCounts, type TableChange } from './change-rows.js';
import type { LiveForeignKey } from './foreign-keys.js';
import { sameKey } from './row-sql.js';

/** Changes of a table's rows with the number of them. */
export interface CountedChange {
  change: TableChange;
  counts: ChangeCounts;
}

/**
 * Refuses to take away rows that others refer to. PostgreSQL would refuse it too, or would do what the foreign key says: remove or
 * empty rows of other tables, of which there is no safety copy. To be asked right before the rows go.
 */
export async function refuseOrphans(
  client: pg.Client,
  { change, counts }: CountedChange,
  all: readonly CountedChange[],
  foreignKeys: readonly LiveForeignKey[],
): Promise<void> {
  if (counts.removed === 0) return;
  for (const foreignKey of foreignKeys.filter(({ parent }) => parent === change.live.root)) {
    // Children that go themselves don't count.
    const going = all
      .filter((other) => other.change.live.root === foreignKey.child && other.counts.removed > 0 && other.change.live.key.length > 0)
      .map(
        (other) => `AND NOT EXISTS (SELECT FROM ${listOf(other.change, 'removed')} g WHERE ${sameKey('c', 'g', other.change.live.key)})`,
      );
    await refuseWhere(
      client,
      foreignKey,
      `EXISTS (SELECT FROM ${listOf(change, 'removed')} p WHERE ${refersTo(foreignKey, 'p')}) ${going.join(' ')}`,
    );
  }
}

/** The same for values that foreign keys refer to and that are no part of the key by which rows are found. */
export async function refuseRekeyed(
  client: pg.Client,
  { change, counts }: CountedChange,
  foreignKeys: readonly LiveForeignKey[],
): Promise<void> {
  if (counts.changed === 0) return;
  const { live, columns, wanted } = change;
  const fixed = new Set(live.key.map(({ name }) => name));
  for (const foreignKey of foreignKeys.filter(({ parent }) => parent === live.root)) {
    const moving = foreignKey.referenced.filter((column) => !fixed.has(column) && columns.includes(column));
    if (moving.length === 0) continue;
    const differs = moving.map(
      (column) => `p.${quoteIdentifier(column)}::pg_catalog.text IS DISTINCT FROM w.${quoteIdentifier(column)}::pg_catalog.text`,
    );
    await refuseWhere(
      client,
      foreignKey,
      `EXISTS (SELECT FROM ${listOf(change, 'changed')} p JOIN ${wanted} w ON ${sameKey('p', 'w', live.key)} WHERE ${refersTo(foreignKey, 'p')} AND (${differs.join(' OR ')}))`,
    );
  }
}

/**
 * Tables whose rows can only go when the rows that change have turned away from them, and the tables that these refer to in turn.
 * As their roots.
 */
export async function goLate(
  client: pg.Client,
  childrenFirst: readonly CountedChange[],
  foreignKeys: readonly LiveForeignKey[],
): Promise<Set<number>> {
  const late = new Set<number>();
  const of = (root: number, what: 'changed' | 'removed'): TableChange[] =>
    childrenFirst.filter(({ change, counts }) => change.live.root === root && counts[what] > 0).map(({ change }) => change);
  for (const foreignKey of foreignKeys) {
    for (const child of of(foreignKey.child, 'changed')) {
      for (const parent of of(foreignKey.parent, 'removed')) {
        const { rows } = await client.query<{ some: boolean }>(
          `SELECT EXISTS (SELECT FROM ${listOf(child, 'changed')} c WHERE EXISTS (SELECT FROM ${listOf(parent, 'removed')} p WHERE ${refersTo(foreignKey, 'p')})) AS some`,
        );
        if (rows[0]?.some) late.add(foreignKey.parent);
      }
    }
  }
  for (const { change } of childrenFirst)
    if (late.has(change.live.root)) for (const { child, parent } of foreignKeys) if (child === change.live.root) late.add(parent);
  return late;
}

/** Whether rows of a table that change will refer to rows of the same table that come. */
export async function turnsToNewRows(
  client: pg.Client,
  { change, counts }: CountedChange,
  foreignKeys: readonly LiveForeignKey[],
): Promise<boolean> {
  const { live, columns, wanted } = change;
  if (counts.changed === 0 || counts.inserted === 0) return false;
  for (const foreignKey of foreignKeys) {
    const isOwn = foreignKey.child === live.root && foreignKey.parent === live.root;
    if (!isOwn || ![...foreignKey.columns, ...foreignKey.referenced].every((column) => columns.includes(column))) continue;
    const { rows } = await client.query<{ some: boolean }>(
      `SELECT EXISTS (SELECT FROM ${listOf(change, 'changed')} k JOIN ${wanted} c ON ${sameKey('k', 'c', live.key)}
         WHERE EXISTS (SELECT FROM ${listOf(change, 'missing')} p WHERE ${refersTo(foreignKey, 'p')})) AS some`,
    );
    if (rows[0]?.some) return true;
  }
  return false;
}

/** The child is `c`. */
function refersTo({ columns, referenced, operators }: LiveForeignKey, parent: string): string {
  return columns
    .map((column, at) => `${parent}.${quoteIdentifier(referenced[at]!)} ${operators[at]} c.${quoteIdentifier(column)}`)
    .join(' AND ');
}

async function refuseWhere(client: pg.Client, { childName, childTitle, parentTitle, name }: LiveForeignKey, lost: string): Promise<void> {
  const { rows } = await client.query<{ count: number }>(`SELECT pg_catalog.count(*)::float8 AS count FROM ${childName} c WHERE ${lost}`);
  const count = rows[0]?.count ?? 0;
  if (count === 0) return;
  throw new RahatError(
    'restore_refused',
    `${count} rows of ${childTitle} refer to rows of ${parentTitle} that would be taken away (${name}); nothing was changed`,
    { hint: `Choose ${childTitle} too, or keep the rows: --conflict overwrite removes none.` },
  );
}
