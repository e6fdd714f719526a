import type pg from 'pg';
import { RahatError, type Finding } from '@rahat/contracts';
import { streamOf } from '../connect.js';
import { queryError } from '../errors.js';
import type { PacedJob } from '../source/within-limits.js';
import type { TocEntry } from './archive-toc.js';
import { copyOut, pinTextForms, sumOfCopy } from './copy-sum.js';
import { rewrittenTables } from './rewritten-tables.js';
import { RowKernel, type RowSum } from './row-kernel.js';

export interface DumpedTable {
  entry: TocEntry;
  sum: RowSum;
}

const LOCK_TIMEOUT_MS = 30_000;
/** No lock in time; and: the table, its schema or a column is gone. */
const CHANGED_SINCE = new Set(['55P03', '42P01', '3F000', '42703']);

/**
 * Reads the source a second time, in the very snapshot of the dump. pg_dump's locks are gone by then: a table that others lock,
 * drop or rewrite meanwhile can't be compared any more, which is said and is no fault of the backup.
 */
export async function recountInSnapshot(
  client: pg.Client,
  encoding: string,
  dump: { tables: readonly DumpedTable[]; bytes: number },
  job: PacedJob,
): Promise<Finding[]> {
  await pinTextForms(client, encoding);
  await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const kernel = new RowKernel();
  const findings: Finding[] = [];
  for (const { entry, sum } of dump.tables) {
    job.signal.throwIfAborted();
    const name = `${entry.namespace}.${entry.tag}`;
    job.progress({ phase: 'recount', object: name, bytes: dump.bytes });
    const recounted = await recount(client, entry, kernel, pacing(client, job));
    if (recounted?.rows === sum.rows && recounted.rowHash === sum.rowHash) continue;
    if (recounted && !(await rewrittenTables(client)).has(entry.oid)) {
      throw new RahatError(
        'dump_invalid',
        `The dump of ${name} holds ${sum.rows} rows, the server ${recounted.rows}, or their contents differ`,
        {
          hint: 'Something changed the data on its way; check the memory and the network of the worker and run the backup again.',
        },
      );
    }
    findings.push({
      code: 'table_not_recounted',
      severity: 'warning',
      object: name,
      message: `${name} was changed or locked by others right after its dump, so its rows could not be counted a second time. The dump itself is whole.`,
    });
  }
  return findings;
}

async function recount(
  client: pg.Client,
  entry: TocEntry,
  kernel: RowKernel,
  pace: ((bytes: number) => void) | undefined,
): Promise<RowSum | undefined> {
  try {
    await client.query('SAVEPOINT recount');
    const sum = await sumOfCopy(client, copyOut(entry.copyStatement), kernel, pace);
    await client.query('RELEASE SAVEPOINT recount');
    return sum;
  } catch (error) {
    if (!CHANGED_SINCE.has((error as { code?: string }).code ?? '')) {
      throw queryError(error, `recounting ${entry.namespace}.${entry.tag}`);
    }
    await client.query('ROLLBACK TO SAVEPOINT recount');
    return undefined;
  }
}

/** The recount reads the source as the dump did, and as slowly. */
function pacing(client: pg.Client, { pace, signal }: PacedJob): ((bytes: number) => void) | undefined {
  if (!pace) return undefined;
  const stream = streamOf(client);
  return (bytes) => {
    stream.pause();
    // An abort breaks the connection by itself.
    void pace.passed(bytes, signal).then(
      () => stream.resume(),
      () => undefined,
    );
  };
}
