import type pg from 'pg';
import type { ArtifactSource, Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { cutOff } from '../decode/copy-lines.js';
import { queryError, quoteIdentifier, quoteLiteral } from '../errors.js';
import { sumOfCopy } from '../logical/copy-sum.js';
import type { RowKernel, RowSum } from '../logical/row-kernel.js';
import type { ChosenTable } from './choose-tables.js';
import type { Condition } from './condition.js';
import { copyInto } from './copy-in.js';
import type { LiveTable } from './live-tables.js';
import { columnList, nameList } from './row-sql.js';

/** What pg_dump writes behind the last row. */
const END_MARK = Buffer.from('\\.\n\n\n');

export interface StageContext {
  client: pg.Client;
  source: ArtifactSource;
  kernel: RowKernel;
  /** Of the backup: its rows come and are compared in it, whatever the database's is. */
  encoding: string;
  job: Job;
}

/**
 * Brings the backup's rows of a table into a temporary table with the live one's types, proves that they are the backup's, and
 * keeps those of the condition. Gives its name and what it holds then.
 */
export async function stageRows(
  { client, source, kernel, encoding, job }: StageContext,
  chosen: ChosenTable & Required<Pick<ChosenTable, 'rows'>>,
  live: LiveTable,
  number: number,
  condition: Condition | undefined,
): Promise<{ wanted: string; sum: RowSum }> {
  const { columns, artifact } = chosen.rows;
  const name = `${live.schema}.${live.name}`;
  const wanted = `pg_temp.${quoteIdentifier(`wanted_${number}`)}`;
  const options = `(ENCODING ${quoteLiteral(encoding)})`;
  const sum = (): Promise<RowSum> =>
    sumOfCopy(client, Buffer.from(`COPY (SELECT ${columnList('w', columns)} FROM ${wanted} w) TO STDOUT ${options}`), kernel);
  try {
    await client.query(`CREATE TABLE ${wanted} AS SELECT ${columnList('l', columns)} FROM ONLY ${live.sqlName} l WITH NO DATA`);
    let bytes = 0;
    const pieces = withoutEndMark(source.read(artifact), name, (length) => {
      bytes += length;
      job.progress({ phase: 'restore', object: name, bytes, totalBytes: artifact.sizeBytes });
    });
    await copyInto(client, `COPY ${wanted} (${nameList(columns)}) FROM STDIN ${options}`, pieces);
    const staged = await sum();
    if (staged.rows !== artifact.rows || staged.rowHash !== artifact.rowHash)
      throw new RahatError(
        'restore_mismatch',
        `The rows of ${name} (${artifact.rows ?? 0} backed up, ${staged.rows} read) don't have the same values in the types that the table has now`,
        { hint: 'Nothing was changed. Restore the table to another place, and carry its rows over by hand.' },
      );
    if (condition) await client.query(`DELETE FROM ${wanted} w WHERE (${condition('w')}) IS NOT TRUE`);
    await client.query(`ANALYZE ${wanted}`);
    return { wanted, sum: condition ? await sum() : staged };
  } catch (error) {
    throw stageError(error, name);
  }
}

function stageError(error: unknown, name: string): RahatError {
  const known = queryError(error, `bringing the rows of ${name}`);
  if (known.code !== 'internal') return known;
  return new RahatError('restore_failed', `The backup's rows of ${name} can't be used in this database: ${known.message}`, {
    hint: 'Nothing was changed. The table or its types may be others than at the time of the backup; compare them.',
    cause: error,
  });
}

/** COPY text as the protocol wants it. Ends with an error where the rows are cut off. */
async function* withoutEndMark(pieces: AsyncIterable<Buffer>, name: string, onBytes: (length: number) => void): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = Buffer.concat([held, piece]);
    const end = Math.max(0, bytes.length - END_MARK.length);
    held = bytes.subarray(end);
    onBytes(piece.length);
    if (end > 0) yield bytes.subarray(0, end);
  }
  if (!held.equals(END_MARK)) throw cutOff(name, 'its end mark is missing');
}
