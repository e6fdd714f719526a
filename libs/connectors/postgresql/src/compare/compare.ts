import { type Comparison, type ComparisonRequest, type ConnectorContext, type Job, type TableDifference } from '@rahat/connector-kit';
import { RahatError, type Finding, type PostgresqlConnection } from '@rahat/contracts';
import { binary } from '../decode/sql-text.js';
import type { TableShape } from '../decode/table-shape.js';
import { readableFrom } from '../decode/text-encoding.js';
import { compareTable } from './compare-table.js';
import { openComparedBackup, shapesByName, type ComparedDatabase } from './compared-database.js';
import { openLiveDatabase } from './live-database.js';
import { layoutOf } from './row-layout.js';
import { ScratchSpace } from './row-spill.js';
import { changedObjects, presentObject } from './schema-difference.js';
import { differingSequences } from './sequences.js';
import { UndoRows, type UndoneTable } from './undo-rows.js';
import { undoSchema } from './undo-schema.js';
import { undoScript } from './undo-script.js';
import { UndoSpool } from './undo-spool.js';
import { UniqueColumns } from './unique-columns.js';

const SCRATCH_BYTES = 20e9;

type Request = ComparisonRequest<PostgresqlConnection>;

/** Two backups of a database, or a backup and the database as it is in one snapshot. */
export async function compareBackups(request: Request, context: ConnectorContext, job: Job): Promise<Comparison> {
  let readBytes = 0;
  const counted = (bytes: number): void => {
    readBytes += bytes;
    job.progress({ phase: 'compare', bytes: readBytes });
  };
  const older = await openComparedBackup(request.older, counted);
  if (!('connection' in request.newer)) {
    const newer = await openComparedBackup(request.newer, counted);
    return { ...(await compare(older, newer, request, context, job)), readBytes };
  }
  await using live = await openLiveDatabase(request.newer, context, job, counted);
  return { ...(await compare(older, live, request, context, job)), readBytes };
}

async function compare(
  older: ComparedDatabase,
  newer: ComparedDatabase,
  request: Request,
  context: ConnectorContext,
  job: Job,
): Promise<Omit<Comparison, 'readBytes'>> {
  if (older.facts.encoding !== newer.facts.encoding)
    throw new RahatError(
      'invalid_input',
      `The databases have different encodings (${older.facts.encoding} and ${newer.facts.encoding}), so their rows can't be compared`,
    );
  const readable = readableFrom(older.facts.encoding);
  const changes = changedObjects(older.toc, newer.toc).filter((change) => isWanted(request, [...change.older, ...change.newer]));
  const rows = request.schemaOnly ? { tables: [], undone: [], unchanged: 0 } : await compareAllRows(older, newer, request, context, job);
  const sequences = request.schemaOnly || request.tables ? [] : differingSequences(older.toc, newer.toc);
  const findings: Finding[] = request.schemaOnly || request.tables ? [] : largeObjectFindings(older, newer);
  if (request.undo) {
    const schema = undoSchema(changes, older.toc, newer.toc);
    findings.push(...schema.findings);
    const hasMoney = [...shapesByName(older).values()].some(({ types }) => [...types.values()].some((type) => type.startsWith('"money"')));
    const parts = { older, newer, schema, tables: rows.undone, sequences: sequences.flatMap(({ undo }) => undo), hasMoney };
    for await (const piece of undoScript(parts)) await request.undo.write(piece);
    for (const { spool } of rows.undone) await spool.remove();
  }
  const schema = changes.map((change) => presentObject(change, readable));
  return {
    equal: schema.length + rows.tables.length + sequences.length === 0 && !findings.some(({ code }) => code === 'large_objects_differ'),
    schema,
    tables: rows.tables,
    unchangedTables: rows.unchanged,
    sequences: sequences.map(({ schema: namespace, name, older: before, newer: after }) => ({
      schema: namespace,
      name,
      older: before,
      newer: after,
    })),
    findings,
  };
}

interface ComparedRows {
  tables: TableDifference[];
  undone: UndoneTable[];
  unchanged: number;
}

async function compareAllRows(
  older: ComparedDatabase,
  newer: ComparedDatabase,
  request: Request,
  context: ConnectorContext,
  job: Job,
): Promise<ComparedRows> {
  const result: ComparedRows = { tables: [], undone: [], unchanged: 0 };
  const space = new ScratchSpace(context.scratchFolder, request.scratchBytes ?? SCRATCH_BYTES);
  const unique = new UniqueColumns(newer.toc);
  const [before, after] = [shapesByName(older), shapesByName(newer)];
  assertTablesExist(request, [...before.values(), ...after.values()]);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    job.signal.throwIfAborted();
    const [had, has] = [before.get(key), after.get(key)];
    if (!isWanted(request, [(had ?? has)!.data])) continue;
    const undoOf = (from: TableShape, to: TableShape) => {
      const spool = new UndoSpool(context.scratchFolder, result.undone.length);
      const mayCollide = (columns: readonly string[]): boolean => unique.mayCollide(to.sqlName, columns);
      return { spool, rows: (layout: ReturnType<typeof layoutOf>) => new UndoRows(to.sqlName, from, to, layout, spool, mayCollide) };
    };
    if (had && has) {
      const undo = request.undo && undoOf(had, has);
      const compared = await compareTable(
        { older: had, newer: has },
        { older, newer, space, samples: request.samples, ...(undo && { undo }) },
        job,
      );
      if (!compared) result.unchanged++;
      else {
        result.tables.push(compared.difference);
        if (compared.undone) result.undone.push(compared.undone);
      }
    } else if (had) {
      result.tables.push(await oneSided(older, had, 'deleted'));
      if (request.undo) result.undone.push(await insertAll(older, had, undoOf(had, had)));
    } else if (has) result.tables.push(await oneSided(newer, has, 'inserted'));
  }
  return result;
}

/** A table that the other side doesn't have. */
async function oneSided(database: ComparedDatabase, shape: TableShape, change: 'inserted' | 'deleted'): Promise<TableDifference> {
  const { rows } = await database.sum(shape.data);
  const readable = readableFrom(database.facts.encoding);
  return {
    schema: shape.data.namespace,
    name: shape.data.tag,
    key: shape.key.map(readable),
    olderRows: change === 'deleted' ? rows : null,
    newerRows: change === 'inserted' ? rows : null,
    inserted: 0,
    deleted: 0,
    changed: 0,
    [change]: rows,
    samples: { inserted: [], deleted: [], changed: [] },
  };
}

async function insertAll(
  database: ComparedDatabase,
  shape: TableShape,
  undo: { spool: UndoSpool; rows(layout: ReturnType<typeof layoutOf>): UndoRows },
): Promise<UndoneTable> {
  const writer = undo.rows(layoutOf(shape, shape));
  let open = '';
  for await (const piece of database.rows(shape.data)) {
    const lines = (open + binary(piece)).split('\n');
    open = lines.pop()!;
    for (const line of lines) writer.deleted(line, 1);
    if (undo.spool.full) await undo.spool.flush();
  }
  return writer.finish();
}

function isWanted({ tables }: Request, entries: readonly { namespace: string; tag: string }[]): boolean {
  return !tables || entries.some(({ namespace, tag }) => tables.some(({ schema, name }) => namespace === schema && isPartOf(tag, name)));
}

/** Parts of a table have its name in theirs: `orders orders_pkey`, `TABLE "orders"`. */
function isPartOf(tag: string, table: string): boolean {
  return tag === table || tag.startsWith(`${table} `) || tag.endsWith(` ${table}`) || tag.includes(` "${table}"`);
}

function assertTablesExist({ tables = [] }: Request, shapes: readonly TableShape[]): void {
  for (const { schema, name } of tables) {
    if (!shapes.some(({ data }) => data.namespace === schema && data.tag === name))
      throw new RahatError('not_found', `Neither side has rows of a table ${schema}.${name}`, { hint: 'Names are case-sensitive.' });
  }
}

function largeObjectFindings(older: ComparedDatabase, newer: ComparedDatabase): Finding[] {
  const [before, after] = [older.facts.largeObjects, newer.facts.largeObjects];
  if (!before || !after) return before && before.count > 0 ? [notCompared()] : [];
  if (before.count === after.count && before.rowHash === after.rowHash) return [];
  return [
    {
      code: 'large_objects_differ',
      severity: 'warning',
      object: 'large objects',
      message: `The older side has ${before.count} large objects, the newer ${after.count}, or their contents differ. The SQL that undoes the difference leaves them as they are.`,
      fix: 'Restore the older backup beside the database and copy the objects that are needed.',
    },
  ];
}

function notCompared(): Finding {
  return {
    code: 'large_objects_not_compared',
    severity: 'info',
    object: 'large objects',
    message: 'Large objects of a live database are not compared.',
  };
}
