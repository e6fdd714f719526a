import type pg from 'pg';
import type { ArtifactSource, Job, RestoreFacts, RestoreRequest, TableComparison } from '@rahat/connector-kit';
import { RahatError, safetyCopySchema, type Finding, type Merge, type MergedTable, type SafetyCopy } from '@rahat/contracts';
import { isConnectionLoss, quoteIdentifier } from '../errors.js';
import { refuseBlockers } from '../logical/restore-target.js';
import { RowKernel } from '../logical/row-kernel.js';
import type { StoredDump } from '../logical/stored-dump.js';
import type { RoutedConnection } from '../reach/index.js';
import { applyChanges } from './apply-changes.js';
import { findChanges, type TableChange } from './change-rows.js';
import { chooseTables, type ChosenTable } from './choose-tables.js';
import { createTables } from './create-tables.js';
import { orderTables } from './foreign-keys.js';
import { inspectMerge, shapeOf, type InspectedTable, type MergeLook } from './inspect-merge.js';
import { writableColumns, type LiveTable } from './live-tables.js';
import { connectToLive, lockTables, mergeError } from './merge-session.js';
import { proveChanges, type Promised } from './prove-changes.js';
import type { CountedChange } from './references.js';
import { createSafetyCopy, dropSafetyCopy, readSafetyCopy, recordSafetyCopy } from './safety-copy.js';
import { advanceSequences } from './sequences.js';
import { stageRows } from './stage-rows.js';

const DAY_MS = 86_400_000;

export interface MergeOrder {
  connection: RoutedConnection;
  request: RestoreRequest & { merge: Merge };
  /** The database that it goes into. */
  database: string;
  dump: StoredDump;
}

/** A table with rows to bring, as it is while the transaction runs. */
interface MergedRows extends InspectedTable {
  live: LiveTable;
  chosen: ChosenTable & Required<Pick<ChosenTable, 'rows'>>;
}

/**
 * Brings chosen parts of a backup into a database that is in use, in one transaction: rows are staged and proven, tables locked
 * against writers, what changes is kept for the undo, and what is there afterwards is proven before it is committed. Whatever
 * goes wrong, nothing was changed.
 */
export async function restoreIntoLive(order: MergeOrder, source: ArtifactSource, job: Job): Promise<RestoreFacts> {
  const { connection, request, database, dump } = order;
  const { merge } = request;
  const chosen = chooseTables(dump, request);
  await using client = await connectToLive(
    connection,
    { database, label: request.label, lockWaitSeconds: merge.lockWaitSeconds, lcMonetary: dump.facts.lcMonetary },
    job,
  );
  try {
    const look = await inspectMerge(client, chosen, merge);
    refuseBlockers(look.findings);
    await client.query('BEGIN');
    const done = await mergeInTransaction(client, order, look, source, job);
    await commit(order, client, done.safetyCopy, job);
    return {
      target: database,
      setAside: [],
      tables: done.compared,
      rows: done.merged.reduce((rows, { inserted, updated }) => rows + inserted + updated, 0),
      bytes: done.bytes,
      merged: done.merged,
      ...(done.safetyCopy && { safetyCopy: done.safetyCopy }),
      findings: [...look.findings, ...done.findings],
    };
  } catch (error) {
    if (job.signal.aborted) throw new RahatError('cancelled', 'The restore was cancelled; nothing was changed', { cause: error });
    throw mergeError(error, 'restoring into the database');
  }
}

interface Done {
  compared: TableComparison[];
  merged: MergedTable[];
  bytes: number;
  safetyCopy?: SafetyCopy;
  findings: Finding[];
}

async function mergeInTransaction(client: pg.Client, order: MergeOrder, look: MergeLook, source: ArtifactSource, job: Job): Promise<Done> {
  const { request, dump } = order;
  const { merge } = request;
  const created = await createTables(client, dump, look, request);
  const tables = merge.content === 'schema' ? [] : tablesWithRows(created.tables);
  const schema = safetyCopySchema(request.label);
  const kernel = new RowKernel();
  const { encoding } = dump.facts;
  const staged: Omit<Promised, 'conflict'>[] = [];
  for (const [at, { chosen, live, condition }] of tables.entries()) {
    job.signal.throwIfAborted();
    const { wanted, sum } = await stageRows({ client, source, kernel, encoding, job }, chosen, live, at + 1, condition);
    const removal =
      merge.conflict === 'replace' ? { kind: 'where' as const, condition: condition ?? (() => 'true') } : { kind: 'none' as const };
    const change: TableChange = {
      number: at + 1,
      live,
      columns: chosen.rows.columns,
      wanted,
      removal,
      updates: merge.conflict !== 'missing',
      lists: quoteIdentifier(schema),
    };
    staged.push({ change, sum, ...(condition && { condition }) });
  }
  await lockUnchanged(client, order, look, tables);
  await createSafetyCopy(client, schema);
  const found = new Map<TableChange, CountedChange>();
  for (const { change } of staged) found.set(change, { change, counts: await findChanges(client, change) });
  const { childrenFirst } = orderTables(
    staged.map(({ change }) => change),
    look.foreignKeys,
  );
  await applyChanges(
    client,
    childrenFirst.map((change) => found.get(change)!),
    look.foreignKeys,
    job,
  );
  await created.finish();
  const compared = await proveChanges(
    { client, kernel, encoding, job },
    staged.map((one) => ({ ...one, conflict: merge.conflict })),
  );
  const isNew = new Set(created.made);
  const merged = mergedTables(created.tables, [...found.values()], isNew);
  const safetyCopy = await keepOrDrop(client, order, schema, [...found.values()], merged);
  for (const { live } of tables) await advanceSequences(client, live);
  return {
    compared,
    merged,
    bytes: tables.reduce((bytes, { chosen }) => bytes + chosen.rows.artifact.sizeBytes, 0),
    findings: created.findings,
    ...(safetyCopy && { safetyCopy }),
  };
}

function tablesWithRows(tables: readonly InspectedTable[]): MergedRows[] {
  return tables.filter((table): table is MergedRows => table.live !== undefined && table.chosen.rows !== undefined);
}

/** Rows that a foreign key would remove along with their parents are kept from coming meanwhile. */
async function lockUnchanged(
  client: pg.Client,
  { request: { merge } }: MergeOrder,
  look: MergeLook,
  tables: readonly MergedRows[],
): Promise<void> {
  const lives = tables.map(({ live }) => live);
  const roots = new Set(lives.map(({ root }) => root));
  const cascading = look.foreignKeys.filter(({ child, parent, cascades }) => cascades.delete && !roots.has(child) && roots.has(parent));
  await lockTables(client, [...lives, ...(merge.conflict === 'replace' ? cascading.map(({ childName }) => ({ sqlName: childName })) : [])]);
  const before = new Map(look.tables.flatMap(({ live }) => (live ? [[live.oid, shapeOf(live)] as const] : [])));
  const now = await inspectMerge(
    client,
    tables.map(({ chosen }) => chosen),
    merge,
  );
  const changed = now.tables.find(({ live }) => live && before.has(live.oid) && before.get(live.oid) !== shapeOf(live));
  const gone = tables.find(({ live }) => !now.tables.some((table) => table.live?.oid === live.oid));
  const { schema, name } = changed?.live ?? gone?.live ?? {};
  if (name === undefined) return;
  throw new RahatError('restore_locked', `The table ${schema}.${name} was altered while its rows were staged; nothing was changed`);
}

function mergedTables(tables: readonly InspectedTable[], changes: readonly CountedChange[], made: ReadonlySet<string>): MergedTable[] {
  return tables.flatMap(({ chosen: { target } }): MergedTable[] => {
    const found = changes.find(({ change: { live } }) => live.schema === target.schema && live.name === target.table);
    const created = made.has(`${target.schema}\0${target.table}`);
    if (!found && !created) return [];
    const { inserted = 0, changed = 0, removed = 0 } = found?.counts ?? {};
    return [{ ...target, created, inserted, updated: changed, removed }];
  });
}

/** A restore that changed nothing leaves nothing behind. */
async function keepOrDrop(
  client: pg.Client,
  { request: { merge }, database }: MergeOrder,
  schema: string,
  changes: readonly CountedChange[],
  merged: readonly MergedTable[],
): Promise<SafetyCopy | undefined> {
  const rows = merged.reduce((sum, { inserted, updated, removed }) => sum + inserted + 2 * updated + removed, 0);
  if (rows === 0 && !merged.some(({ created }) => created)) {
    await dropSafetyCopy(client, schema);
    return undefined;
  }
  const now = Date.now();
  const expiresAt = new Date(now + merge.safetyCopyDays * DAY_MS).toISOString();
  await recordSafetyCopy(client, schema, {
    format: 1,
    database,
    madeAt: new Date(now).toISOString(),
    expiresAt,
    tables: merged.map((table) => {
      const found = changes.find(({ change: { live } }) => live.schema === table.schema && live.name === table.table);
      return {
        number: found?.change.number ?? 0,
        schema: table.schema,
        name: table.table,
        created: table.created,
        columns: found ? writableColumns(found.change.live) : [],
        key: found?.change.live.key ?? [],
        removed: table.removed,
        changed: table.updated,
        inserted: table.inserted,
      };
    }),
  });
  return { database, schema, rows, expiresAt };
}

/** A connection that breaks here leaves open whether it was committed; the safety copy tells. */
async function commit(
  { connection, request, database }: MergeOrder,
  client: pg.Client,
  copy: SafetyCopy | undefined,
  job: Job,
): Promise<void> {
  try {
    await client.query('COMMIT');
  } catch (error) {
    if (!copy || !isConnectionLoss(error)) throw error;
    await using again = await connectToLive(connection, { database, label: request.label, lockWaitSeconds: 10 }, job);
    const there = await readSafetyCopy(again, copy.schema).catch(() => undefined);
    if (!there) throw error;
  }
}
