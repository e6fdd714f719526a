import type pg from 'pg';
import type { Finding, Merge } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import type { ChosenTable } from './choose-tables.js';
import { readCondition, type Condition } from './condition.js';
import { orderTables, readForeignKeys, type LiveForeignKey } from './foreign-keys.js';
import { readLiveTables, writableColumns, type LiveTable } from './live-tables.js';
import { foreignKeyFindings, tableFindings } from './merge-findings.js';

export interface InspectedTable {
  chosen: ChosenTable;
  /** Absent = it isn't there. Its key is empty where the backup's rows don't hold all of it. */
  live?: LiveTable;
  condition?: Condition;
}

export interface MergeLook {
  tables: InspectedTable[];
  foreignKeys: LiveForeignKey[];
  findings: Finding[];
}

/** What the live database has of the chosen tables, and what stands in the way; changes nothing. */
export async function inspectMerge(client: pg.Client, chosen: readonly ChosenTable[], merge: Merge): Promise<MergeLook> {
  const live = new Map(
    (
      await readLiveTables(
        client,
        chosen.map(({ target }) => target),
      )
    ).map((table) => [`${table.schema}\0${table.name}`, table]),
  );
  const tables = chosen.map((table): InspectedTable => {
    const there = live.get(`${table.target.schema}\0${table.target.table}`);
    return {
      chosen: table,
      ...(there && { live: withUsableKey(there, table) }),
      ...(table.condition !== undefined && table.rows && { condition: readCondition(table.condition, table.rows.columns) }),
    };
  });
  const brings = merge.content !== 'schema';
  const merged = tables.flatMap(({ live: table, chosen: { rows } }) => (table && rows && brings ? [{ live: table }] : []));
  const foreignKeys = await readForeignKeys(
    client,
    merged.map((table) => table.live),
  );
  const { inTheWay } = orderTables(merged, foreignKeys);
  return {
    tables,
    foreignKeys,
    findings: [
      ...(await sessionFindings(client, tables, merge)),
      ...tables.flatMap((table) => tableFindings(table, merge)),
      ...foreignKeyFindings(
        foreignKeys,
        merged.map((table) => table.live),
        inTheWay,
        merge,
      ),
    ],
  };
}

function withUsableKey(live: LiveTable, { rows }: ChosenTable): LiveTable {
  const usable = live.key.every(({ name }) => rows?.columns.includes(name));
  return usable ? live : { ...live, key: [] };
}

async function sessionFindings(client: pg.Client, tables: readonly InspectedTable[], merge: Merge): Promise<Finding[]> {
  const [session] = (
    await client.query<{ database: string; user: string; standby: boolean; create: boolean; temporary: boolean }>(
      `SELECT current_database()::text AS database, current_user::text AS user, pg_is_in_recovery() AS standby,
         has_database_privilege(current_database(), 'CREATE') AS create, has_database_privilege(current_database(), 'TEMPORARY') AS temporary`,
    )
  ).rows;
  if (!session) return [];
  const lacks = (right: string): Finding => ({
    code: 'right_missing',
    severity: 'blocker',
    object: session.database,
    message: `The user ${session.user} may not ${right === 'CREATE' ? 'create a schema for the safety copy' : 'use temporary tables'} in the database ${session.database}.`,
    fix: `GRANT ${right} ON DATABASE ${quoteIdentifier(session.database)} TO ${quoteIdentifier(session.user)};`,
  });
  const needsCreate = merge.content !== 'schema' || tables.some(({ live }) => !live);
  return [
    ...(session.standby
      ? [
          {
            code: 'target_read_only',
            severity: 'blocker',
            message: 'The server is a standby: nothing can be written there.',
            fix: 'Restore on the primary.',
          } as const,
        ]
      : []),
    ...(session.create || !needsCreate ? [] : [lacks('CREATE')]),
    ...(session.temporary ? [] : [lacks('TEMPORARY')]),
  ];
}

/** Whether a table is still what was looked at, as far as a restore of its rows minds. */
export function shapeOf(live: LiveTable): string {
  return JSON.stringify([live.oid, live.sqlName, writableColumns(live), live.columns, live.key, live.rules, live.triggers, live.owned]);
}
