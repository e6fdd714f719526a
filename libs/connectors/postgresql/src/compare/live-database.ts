import { runTool, type ConnectorContext, type Job, type LiveDatabase } from '@rahat/connector-kit';
import type { PostgresqlConnection } from '@rahat/contracts';
import { databaseConninfo, toolConnection } from '../connect.js';
import { TableCatalog } from '../decode/table-shape.js';
import { queryError } from '../errors.js';
import { ArchiveReader } from '../logical/archive-reader.js';
import type { Toc } from '../logical/archive-toc.js';
import { copyOut, pinTextForms, sumOfCopy } from '../logical/copy-sum.js';
import { readDatabaseFacts } from '../logical/database-facts.js';
import { RowKernel } from '../logical/row-kernel.js';
import { openSnapshotSession, type SnapshotSession } from '../logical/snapshot-session.js';
import { classifyToolLine, toolFailure } from '../logical/tool-failure.js';
import { clientOfMajor } from '../required-tool.js';
import { nameOf, type ComparedDatabase } from './compared-database.js';
import { copyRows } from './copy-rows.js';

const LABEL = 'rahat-compare';
const LOCK_TIMEOUT_MS = 30_000;

/** The database as it is at one moment: definitions by pg_dump and rows by COPY, all of them in one snapshot. */
export async function openLiveDatabase(
  { connection, database }: LiveDatabase<PostgresqlConnection>,
  context: ConnectorContext,
  job: Job,
  onRead: (bytes: number) => void,
): Promise<ComparedDatabase & AsyncDisposable> {
  const session = await openSnapshotSession(connection, { database, label: LABEL, signal: job.signal });
  try {
    const facts = await readDatabaseFacts(session.client).catch((error: unknown) => {
      throw queryError(error, 'reading the facts of the database');
    });
    const toc = await dumpToc(connection, database, session, context, job);
    await pinTextForms(session.client, facts.encoding);
    const kernel = new RowKernel();
    return {
      toc,
      facts,
      catalog: new TableCatalog(toc),
      async sum(data) {
        job.progress({ phase: 'read', object: nameOf(data), bytes: 0 });
        return sumOfCopy(session.client, copyOut(data.copyStatement), kernel, onRead).catch((error: unknown) => {
          throw queryError(error, `reading ${nameOf(data)}`);
        });
      },
      async *rows(data) {
        try {
          for await (const piece of copyRows(session.client, copyOut(data.copyStatement))) {
            onRead(piece.length);
            yield piece;
          }
        } catch (error) {
          throw queryError(error, `reading ${nameOf(data)}`);
        }
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** pg_dump writes the table of contents first, with everything but the rows; then it is stopped. */
async function dumpToc(
  connection: PostgresqlConnection,
  database: string,
  session: SnapshotSession,
  context: ConnectorContext,
  job: Job,
): Promise<Toc> {
  const tool = await clientOfMajor('pgDump', session.major, context.toolFolders);
  await using run = await runTool({
    program: tool.path,
    args: [
      '--no-password',
      '--format=custom',
      '--compress=0',
      `--snapshot=${session.snapshot}`,
      `--lock-wait-timeout=${LOCK_TIMEOUT_MS}`,
      '--quote-all-identifiers',
      `--dbname=${databaseConninfo(database)}`,
    ],
    ...(await toolConnection(connection, LABEL, job.signal)),
    classify: classifyToolLine,
    scratchFolder: context.scratchFolder,
    signal: job.signal,
  });
  try {
    const { toc } = await ArchiveReader.open(run.stdout);
    await run.stop();
    return toc;
  } catch (error) {
    const exit = await run.exit;
    throw exit.clean || job.signal.aborted ? error : toolFailure('pg_dump', exit, connection);
  }
}
