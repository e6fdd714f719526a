import type pg from 'pg';
import type { Job, TableComparison } from '@rahat/connector-kit';
import { RahatError, type Finding } from '@rahat/contracts';
import { queryError } from '../errors.js';
import { oidBytes } from './archive-reader.js';
import type { TocEntry } from './archive-toc.js';
import { copyOut, pinTextForms, sumOfCopy } from './copy-sum.js';
import { RowKernel, type RowSum } from './row-kernel.js';
import { comparableTables, isLargeObjects, type StoredDump } from './stored-dump.js';

const LARGE_OBJECT_PIECE = 1024 * 1024;
const LARGE_OBJECTS_AT_ONCE = 16;

/** Reads the restored rows back from the server and holds them against what passed at the backup: rows and hash, table by table. */
export async function compareRows(
  client: pg.Client,
  dump: StoredDump,
  entries: readonly TocEntry[],
  job: Job,
): Promise<{ tables: TableComparison[]; findings: Finding[] }> {
  const chosen = new Set(entries);
  const comparable = new Set(comparableTables(dump.toc).filter((entry) => chosen.has(entry)));
  const findings: Finding[] = entries
    .filter((entry) => entry.hasData && !isLargeObjects(entry) && !comparable.has(entry))
    .map((entry) => ({
      code: 'extension_table_not_compared',
      severity: 'info',
      object: `${entry.namespace}.${entry.tag}`,
      message: "The rows of this table belong to an extension and were restored, but can't be compared one to one.",
    }));
  const tables: TableComparison[] = [];
  if (entries.some(isLargeObjects)) tables.push(await compareLargeObjects(client, dump, job));
  await client.query("SELECT pg_catalog.set_config('lc_monetary', $1, false)", [dump.facts.lcMonetary]).catch(() => undefined);
  await pinTextForms(client, dump.facts.encoding);
  const kernel = new RowKernel();
  for (const entry of comparable) {
    job.signal.throwIfAborted();
    job.progress({ phase: 'check', object: `${entry.namespace}.${entry.tag}`, bytes: 0 });
    const [artifact] = dump.data.get(entry.dumpId) ?? [];
    const actual = await sumOfCopy(client, copyOut(entry.copyStatement), kernel).catch((error: unknown) => {
      throw queryError(error, `reading the restored ${entry.namespace}.${entry.tag}`);
    });
    tables.push({
      schema: entry.namespace,
      table: entry.tag,
      expectedRows: artifact?.rows ?? 0,
      actualRows: actual.rows,
      matches: artifact?.rows === actual.rows && artifact.rowHash === actual.rowHash,
    });
  }
  return { tables, findings };
}

export function assertAllMatch(tables: readonly TableComparison[], kept: string): void {
  const different = tables.filter((table) => !table.matches);
  if (different.length === 0) return;
  const first = different
    .slice(0, 5)
    .map((table) => `${table.schema}.${table.table} (${table.expectedRows} rows backed up, ${table.actualRows} restored)`)
    .join(', ');
  throw new RahatError('restore_mismatch', `${different.length} of ${tables.length} tables differ from the backup: ${first}`, {
    hint: `Nothing was swapped in. ${kept}`,
  });
}

/** Large objects count as one table of the catalog: each object is an item of its number and content. */
async function compareLargeObjects(client: pg.Client, dump: StoredDump, job: Job): Promise<TableComparison> {
  job.progress({ phase: 'check', object: 'large objects', bytes: 0 });
  const actual = await sumOfLargeObjects(client, job);
  const expected = dump.facts.largeObjects;
  return {
    schema: 'pg_catalog',
    table: 'pg_largeobject',
    expectedRows: expected.count,
    actualRows: actual.rows,
    matches: expected.count === actual.rows && (expected.count === 0 || expected.rowHash === actual.rowHash),
  };
}

async function sumOfLargeObjects(client: pg.Client, job: Job): Promise<RowSum> {
  const kernel = new RowKernel();
  for (let after = 0; ;) {
    job.signal.throwIfAborted();
    const { rows } = await client.query<{ oid: number; piece: Buffer }>(
      'SELECT oid::int8::float8 AS oid, lo_get(oid, 0, $3) AS piece FROM (SELECT oid FROM pg_largeobject_metadata WHERE oid::int8 > $1 ORDER BY oid LIMIT $2) AS next ORDER BY oid',
      [after, LARGE_OBJECTS_AT_ONCE, LARGE_OBJECT_PIECE],
    );
    for (const { oid, piece } of rows) {
      kernel.openItem();
      kernel.absorbItem(oidBytes(oid));
      for (let part = piece, at = piece.length; part.length > 0; at += part.length) {
        kernel.absorbItem(part);
        part =
          part.length < LARGE_OBJECT_PIECE
            ? Buffer.alloc(0)
            : ((await client.query<{ piece: Buffer }>('SELECT lo_get($1::int8::oid, $2, $3) AS piece', [oid, at, LARGE_OBJECT_PIECE]))
                .rows[0]?.piece ?? Buffer.alloc(0));
      }
      kernel.finishItem();
      after = oid;
    }
    if (rows.length < LARGE_OBJECTS_AT_ONCE) return kernel.sum();
  }
}
