import type pg from 'pg';
import type { Job, RestoreFacts, RestoreOutline, SafetyCopyRequest } from '@rahat/connector-kit';
import { RahatError, type Finding, type MergedTable } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import type { RoutedConnection } from '../reach/index.js';
import { applyChanges } from './apply-changes.js';
import { findChanges, listOf, type TableChange } from './change-rows.js';
import { orderTables, readForeignKeys } from './foreign-keys.js';
import { laterWrites, type LaterWrites } from './later-writes.js';
import { readLiveTables, writableColumns, type LiveTable } from './live-tables.js';
import { connectToLive, lockTables, mergeError } from './merge-session.js';
import type { CountedChange } from './references.js';
import { columnList, sameKey, wholeRow } from './row-sql.js';
import { dropSafetyCopy, hasSafetyCopy, readSafetyCopy, type SafetyCopyAbout } from './safety-copy.js';

type KeptTable = SafetyCopyAbout['tables'][number];

export async function planUndo(connection: RoutedConnection, request: SafetyCopyRequest, job: Job): Promise<RestoreOutline> {
  await using client = await connectToLive(connection, request, job);
  if (request.action === 'drop' && !(await hasSafetyCopy(client, request.schema)))
    return { steps: [], objects: [], sizeBytes: 0, overwrites: [], findings: [goneAlready(request)] };
  const { tables } = await readSafetyCopy(client, request.schema);
  const name = ({ schema, name: table }: KeptTable): string => `${schema}.${table}`;
  const findings: Finding[] = [];
  if (request.action === 'undo') {
    for (const { kept, live } of await withLive(client, tables)) {
      if (!live) findings.push(goneFinding(kept));
      else for (const later of await laterWrites(client, request.schema, kept, live)) findings.push(laterFinding(later, request.force));
    }
  }
  return {
    steps:
      request.action === 'drop'
        ? [`Drop the safety copy ${request.schema}; the restore can't be undone any more`]
        : [
            ...tables.map((kept) =>
              kept.created
                ? `Drop the table ${name(kept)}, which the restore made`
                : `${name(kept)}: remove ${kept.inserted} rows, put ${kept.changed} back as they were, bring ${kept.removed} back`,
            ),
            `Drop the safety copy ${request.schema}, all in one transaction`,
          ],
    objects: tables.map((kept) => ({ schema: kept.schema, name: kept.name, kind: 'table', sizeBytes: 0 })),
    sizeBytes: 0,
    overwrites: request.action === 'undo' ? tables.map((kept) => `${request.database}: ${name(kept)}`) : [],
    findings,
  };
}

/** Puts back exactly what was there before a restore, or forgets it. All in one transaction. */
export async function endSafetyCopy(connection: RoutedConnection, request: SafetyCopyRequest, job: Job): Promise<RestoreFacts> {
  await using client = await connectToLive(connection, request, job);
  try {
    await client.query('BEGIN');
    // Dropped by an attempt whose answer was lost, or by somebody else: there is nothing left to do.
    const there = request.action === 'undo' || (await hasSafetyCopy(client, request.schema));
    const merged = request.action === 'undo' ? await undo(client, request, (await readSafetyCopy(client, request.schema)).tables, job) : [];
    if (there) await dropSafetyCopy(client, request.schema);
    await client.query('COMMIT');
    return {
      target: request.database,
      setAside: [],
      tables: [],
      rows: merged.reduce((rows, { inserted, updated }) => rows + inserted + updated, 0),
      bytes: 0,
      merged,
      findings: there ? [] : [goneAlready(request)],
    };
  } catch (error) {
    if (job.signal.aborted) throw new RahatError('cancelled', 'The undo was cancelled; nothing was changed', { cause: error });
    throw mergeError(error, 'undoing the restore');
  }
}

async function undo(client: pg.Client, request: SafetyCopyRequest, tables: readonly KeptTable[], job: Job): Promise<MergedTable[]> {
  const found = await withLive(client, tables);
  await lockTables(
    client,
    found.flatMap(({ live }) => (live ? [live] : [])),
  );
  // Only what is locked stays as it is.
  const present = (await withLive(client, tables)).map(({ kept, live }) => {
    if (!live) throw new RahatError('undo_refused', goneFinding(kept).message, { hint: 'Its former rows are in the safety copy.' });
    return { kept, live };
  });
  if (!request.force) await refuseLaterWrites(client, request, present);
  const changes = present.flatMap(({ kept, live }) => (kept.created ? [] : [changeBack(request, kept, live)]));
  const counted: CountedChange[] = [];
  for (const change of changes) {
    await stageFormerRows(client, request, change);
    counted.push({ change, counts: await findChanges(client, change) });
  }
  const foreignKeys = await readForeignKeys(
    client,
    changes.map(({ live }) => live),
  );
  const { childrenFirst } = orderTables(
    counted.map((one) => ({ ...one, live: one.change.live })),
    foreignKeys,
  );
  await dropCreated(client, present);
  await applyChanges(client, childrenFirst, foreignKeys, job);
  for (const change of changes) await proveBack(client, request, change);
  return [
    ...counted.map(({ change: { live }, counts }) => ({
      schema: live.schema,
      table: live.name,
      created: false,
      inserted: counts.inserted,
      updated: counts.changed,
      removed: counts.removed,
    })),
    ...present
      .filter(({ kept }) => kept.created)
      .map(({ kept }) => ({ schema: kept.schema, table: kept.name, created: true, inserted: 0, updated: 0, removed: kept.inserted })),
  ];
}

async function withLive(client: pg.Client, tables: readonly KeptTable[]): Promise<{ kept: KeptTable; live: LiveTable | undefined }[]> {
  const lives = await readLiveTables(
    client,
    tables.map(({ schema, name }) => ({ schema, table: name })),
  );
  return tables.map((kept) => {
    const live = lives.find(({ schema, name }) => schema === kept.schema && name === kept.name);
    const has = live && new Set(writableColumns(live));
    return { kept, live: has && kept.columns.every((column) => has.has(column)) ? { ...live, key: kept.key } : undefined };
  });
}

/** What was removed or changed comes back, and what came goes. */
function changeBack(request: SafetyCopyRequest, kept: KeptTable, live: LiveTable): TableChange {
  const lists = quoteIdentifier(request.schema);
  return {
    number: kept.number,
    live,
    columns: kept.columns,
    wanted: `pg_temp.${quoteIdentifier(`former_${kept.number}`)}`,
    removal: { kind: 'rows', table: listOf({ lists, number: kept.number }, 'inserted') },
    updates: true,
    lists: 'pg_temp',
  };
}

async function stageFormerRows(client: pg.Client, { schema }: SafetyCopyRequest, { wanted, number, columns }: TableChange): Promise<void> {
  const lists = quoteIdentifier(schema);
  const rows = (list: 'removed' | 'changed'): string => `SELECT ${columnList('k', columns)} FROM ${listOf({ lists, number }, list)} k`;
  await client.query(`CREATE TABLE ${wanted} AS ${rows('removed')} UNION ALL ${rows('changed')}`);
  await client.query(`ANALYZE ${wanted}`);
}

async function dropCreated(client: pg.Client, tables: readonly { kept: KeptTable; live: LiveTable }[]): Promise<void> {
  const names = tables.filter(({ kept }) => kept.created).map(({ live }) => live.sqlName);
  if (names.length > 0) await client.query(`DROP TABLE ${names.join(', ')}`);
}

async function refuseLaterWrites(
  client: pg.Client,
  { schema }: SafetyCopyRequest,
  tables: readonly { kept: KeptTable; live: LiveTable }[],
): Promise<void> {
  const later: LaterWrites[] = [];
  for (const { kept, live } of tables) later.push(...(await laterWrites(client, schema, kept, live)));
  if (later.length === 0) return;
  throw new RahatError('undo_refused', `Rows that the restore wrote or removed were written to since: ${later.map(inWords).join('; ')}`, {
    hint: `Nothing was changed. Look at them with: ${later.map(({ query }) => query).join(' ')} Undo with --force takes these changes back.`,
  });
}

function inWords({ table, rows, what }: LaterWrites): string {
  return `${table}: ${rows} ${what}`;
}

function laterFinding(later: LaterWrites, force: boolean): Finding {
  return {
    code: 'later_writes',
    severity: force ? 'warning' : 'blocker',
    object: later.table,
    message: `Written to since the restore: ${later.rows} ${later.what}. ${force ? 'The undo takes that back.' : 'Only a forced undo takes that back.'}`,
    fix: later.query,
  };
}

function goneAlready({ schema }: SafetyCopyRequest): Finding {
  return { code: 'safety_copy_gone', severity: 'info', object: schema, message: 'There is no such safety copy any more.' };
}

function goneFinding({ schema, name }: KeptTable): Finding {
  return {
    code: 'table_missing',
    severity: 'blocker',
    object: `${schema}.${name}`,
    message: `The table ${schema}.${name} is gone, or lost columns that its former rows have.`,
  };
}

/** Each former row is there as it was, and no row that came. */
async function proveBack(client: pg.Client, { schema }: SafetyCopyRequest, change: TableChange): Promise<void> {
  const { live, wanted, columns, number } = change;
  if (live.key.length === 0) return;
  const came = listOf({ lists: quoteIdentifier(schema), number }, 'inserted');
  const { rows } = await client.query<{ wrong: number }>(
    `SELECT (SELECT pg_catalog.count(*) FROM ${wanted} w WHERE NOT EXISTS (SELECT FROM ONLY ${live.sqlName} l WHERE ${sameKey('l', 'w', live.key)} AND ${wholeRow('l', columns)} = ${wholeRow('w', columns)}))::float8
       + (SELECT pg_catalog.count(*) FROM ${came} c WHERE EXISTS (SELECT FROM ONLY ${live.sqlName} l WHERE ${sameKey('l', 'c', live.key)})
           AND NOT EXISTS (SELECT FROM ${wanted} w WHERE ${sameKey('w', 'c', live.key)}))::float8 AS wrong`,
  );
  if (rows[0]?.wrong === 0) return;
  throw new RahatError(
    'restore_mismatch',
    `${live.schema}.${live.name}: ${rows[0]?.wrong} rows would not be what they were; nothing was changed`,
    {
      hint: 'A trigger of the table changes what is written. Undo as the owner of the table, for whom its triggers are switched off meanwhile.',
    },
  );
}
