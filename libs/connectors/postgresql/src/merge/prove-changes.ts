import type pg from 'pg';
import type { Job, TableComparison } from '@rahat/connector-kit';
import { RahatError, type MergeConflict } from '@rahat/contracts';
import { quoteLiteral } from '../errors.js';
import { sumOfCopy } from '../logical/copy-sum.js';
import type { RowKernel, RowSum } from '../logical/row-kernel.js';
import { listOf, type TableChange } from './change-rows.js';
import type { Condition } from './condition.js';
import { columnList, sameKey } from './row-sql.js';

/** What a table has to hold when everything is done. */
export interface Promised {
  change: TableChange;
  conflict: MergeConflict;
  condition?: Condition;
  /** Of the wanted rows. */
  sum: RowSum;
}

export interface ProofContext {
  client: pg.Client;
  kernel: RowKernel;
  /** Of the backup, in whose bytes its rows were summed. */
  encoding: string;
  job: Job;
}

/** Reads back what the restore answers for, before it is committed: counts and row hashes must be those of the backup. */
export async function proveChanges(context: ProofContext, promised: readonly Promised[]): Promise<TableComparison[]> {
  const compared: TableComparison[] = [];
  for (const one of promised) {
    const { live } = one.change;
    context.job.signal.throwIfAborted();
    context.job.progress({ phase: 'check', object: `${live.schema}.${live.name}`, bytes: 0 });
    const [expected, actual] = [await expectedOf(context, one), await sumOf(context, answeredFor(one))];
    compared.push({
      schema: live.schema,
      table: live.name,
      expectedRows: expected.rows,
      actualRows: actual.rows,
      matches: expected.rows === actual.rows && expected.rowHash === actual.rowHash,
    });
  }
  const different = compared.filter(({ matches }) => !matches);
  if (different.length === 0) return compared;
  const first = different
    .slice(0, 5)
    .map(({ schema, table, expectedRows, actualRows }) => `${schema}.${table} (${expectedRows} rows wanted, ${actualRows} found)`);
  throw new RahatError(
    'restore_mismatch',
    `${different.length} of ${compared.length} tables would not hold the backup's rows: ${first.join(', ')}`,
    {
      hint: 'Nothing was changed. A trigger or a default of the table changes what is written; restore as the owner of the table, for whom its triggers are switched off meanwhile.',
    },
  );
}

function expectedOf(context: ProofContext, { change, conflict, sum }: Promised): RowSum | Promise<RowSum> {
  if (conflict !== 'missing') return sum;
  return sumOf(context, `SELECT ${columnList('m', change.columns)} FROM ${listOf(change, 'missing')} m`);
}

/** The rows of the live table for which the restore answers. */
function answeredFor({ change, conflict, condition }: Promised): string {
  const { live, columns, wanted } = change;
  const rows = `SELECT ${columnList('l', columns)} FROM ONLY ${live.sqlName} l`;
  const isIn = (list: string): string => `EXISTS (SELECT FROM ${list} w WHERE ${sameKey('l', 'w', live.key)})`;
  if (conflict === 'missing') return `${rows} WHERE ${live.key.length === 0 ? 'true' : isIn(listOf(change, 'missing'))}`;
  if (conflict === 'overwrite') return `${rows} WHERE ${live.key.length === 0 ? 'true' : isIn(wanted)}`;
  if (!condition) return rows;
  return `${rows} WHERE ${condition('l')}${live.key.length === 0 ? '' : ` OR ${isIn(wanted)}`}`;
}

function sumOf({ client, kernel, encoding }: ProofContext, select: string): Promise<RowSum> {
  return sumOfCopy(client, Buffer.from(`COPY (${select}) TO STDOUT (ENCODING ${quoteLiteral(encoding)})`), kernel);
}
