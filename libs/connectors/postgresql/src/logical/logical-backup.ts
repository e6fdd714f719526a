import { runTool, type ArtifactSink, type BackupFacts, type BackupRequest, type ConnectorContext } from '@rahat/connector-kit';
import { RahatError, type Finding, type PostgresqlConnection } from '@rahat/contracts';
import { databaseConninfo, toolConnection } from '../connect.js';
import { queryError } from '../errors.js';
import { clientOfMajor, type RequiredTool } from '../required-tool.js';
import type { PacedJob } from '../source/within-limits.js';
import { ArchiveReader } from './archive-reader.js';
import { FACTS_KEY, GLOBALS_KEY, rowsKey, TOC_KEY } from './artifact-names.js';
import { readDatabaseFacts, type DatabaseFacts } from './database-facts.js';
import { dumpGlobals } from './globals.js';
import { writeLargeObjects } from './large-objects.js';
import { recountInSnapshot, type DumpedTable } from './recount.js';
import { emptiedTables, rewrittenTables } from './rewritten-tables.js';
import { openSnapshotSession, type SnapshotSession } from './snapshot-session.js';
import { classifyToolLine, toolFailure } from './tool-failure.js';

const LOCK_TIMEOUT_MS = 30_000;

interface DumpResult {
  rows: number;
  bytes: number;
  blocks: number;
  blocksExpected: number;
  findings: Finding[];
  largeObjects: DatabaseFacts['largeObjects'];
  tables: DumpedTable[];
}

/** One database as one snapshot: table of contents, one artifact per table, large objects, globals, database facts (engines.md §3.2). */
export async function backupLogically(
  connection: PostgresqlConnection,
  request: BackupRequest & { database: string },
  sink: ArtifactSink,
  context: ConnectorContext,
  job: PacedJob,
): Promise<BackupFacts> {
  await using session = await openSnapshotSession(connection, { database: request.database, label: request.label, signal: job.signal });
  const tool = await clientOfMajor('pgDump', session.major, context.toolFolders);
  const facts = await readDatabaseFacts(session.client).catch((error: unknown) => {
    throw queryError(error, 'reading the facts of the database');
  });

  // At once: until pg_dump has locked the tables, TRUNCATE can take rows away that the snapshot should see.
  const dump = await dumpDatabase(connection, request, session, tool, sink, context, job);
  if (request.deep) dump.findings.push(...(await recountInSnapshot(session.client, facts.encoding, dump, job)));

  job.progress({ phase: 'globals', bytes: dump.bytes });
  const globals = await dumpGlobals(connection, session, context, job, request.label);
  if (globals.sql) await sink.write({ key: GLOBALS_KEY, kind: 'ddl', order: 0, class: 'small' }, once(globals.sql));

  const allFacts: DatabaseFacts = { ...facts, largeObjects: dump.largeObjects };
  await sink.write({ key: FACTS_KEY, kind: 'facts', order: 2, class: 'small' }, once(Buffer.from(JSON.stringify(allFacts))));
  return {
    identity: session.identity,
    serverVersion: session.serverVersion,
    tool: `pg_dump ${tool.version}`,
    label: 'full · space-incremental',
    consistency: 'snapshot',
    positions: { lsn: session.position, snapshot: session.snapshot },
    consistentAt: session.consistentAt,
    findings: [...globals.findings, ...dump.findings],
    evidence: {
      cleanExit: true,
      trailerSeen: true,
      objectsExpected: dump.blocksExpected,
      objectsFound: dump.blocks,
      rows: dump.rows,
      bytes: dump.bytes,
    },
  };
}

async function dumpDatabase(
  connection: PostgresqlConnection,
  request: BackupRequest & { database: string },
  session: SnapshotSession,
  tool: RequiredTool,
  sink: ArtifactSink,
  context: ConnectorContext,
  job: PacedJob,
): Promise<DumpResult> {
  const libpq = await toolConnection(connection, request.label, job.signal);
  await using run = await runTool({
    program: tool.path,
    args: [
      '--no-password',
      '--format=custom',
      '--compress=0',
      `--snapshot=${session.snapshot}`,
      `--lock-wait-timeout=${LOCK_TIMEOUT_MS}`,
      '--quote-all-identifiers',
      `--dbname=${databaseConninfo(request.database)}`,
    ],
    ...libpq,
    classify: classifyToolLine,
    scratchFolder: context.scratchFolder,
    signal: job.signal,
  });
  let result: DumpResult;
  try {
    const stream = job.pace ? job.pace.through(run.stdout, job.signal) : run.stdout;
    result = await storeArchive(stream, session, sink, job);
  } catch (error) {
    // A stream that ended too early is explained by how the tool ended; anything else went wrong on our side, and the tool has to go.
    const truncated = error instanceof RahatError && error.code === 'dump_truncated';
    const exit = truncated ? await run.exit : await run.stop();
    if (job.signal.aborted) throw new RahatError('cancelled', 'The backup was cancelled', { cause: error });
    if (truncated && !exit.clean) throw toolFailure('pg_dump', exit, connection);
    throw error;
  }
  const exit = await run.exit;
  if (job.signal.aborted) throw new RahatError('cancelled', 'The backup was cancelled');
  if (!exit.clean) throw toolFailure('pg_dump', exit, connection);
  return { ...result, findings: [...exit.findings, ...result.findings] };
}

async function storeArchive(
  stream: AsyncIterable<Buffer>,
  session: SnapshotSession,
  sink: ArtifactSink,
  job: PacedJob,
): Promise<DumpResult> {
  const reader = await ArchiveReader.open(stream);
  // pg_dump holds its locks by now, so that no more tables can be rewritten.
  const rewritten = await rewrittenTables(session.client);
  // The table of contents counts as bytes: an empty database has nothing else, and is no empty dump.
  const result: DumpResult = {
    rows: 0,
    bytes: reader.rawToc.length,
    blocks: 0,
    blocksExpected: reader.missingEntries().length,
    findings: [],
    largeObjects: { count: 0, rowHash: '' },
    tables: [],
  };
  await sink.write({ key: TOC_KEY, kind: 'header', order: 1, class: 'small' }, once(reader.rawToc));
  let order = 10;
  const nextOrder = (): number => order++;
  const watched: ArtifactSink = {
    write: async (description, body, factsOf) => {
      job.progress({ phase: 'rows', object: description.key, bytes: result.bytes });
      const counted = countBytes(body, (length) => {
        result.bytes += length;
        job.progress({ phase: 'rows', object: description.key, bytes: result.bytes });
      });
      const artifact = await sink.write(description, counted, factsOf);
      if (description.kind === 'blob') result.largeObjects.rowHash = addHashes(result.largeObjects.rowHash, artifact.rowHash ?? '');
      return artifact;
    },
  };
  for (let block = await reader.nextBlock(); block; block = await reader.nextBlock()) {
    const { entry } = block;
    if (block.kind === 'large objects') {
      result.largeObjects.count += await writeLargeObjects(reader, entry, watched, session.largeObjects, nextOrder);
      continue;
    }
    await watched.write(
      { key: rowsKey(entry.namespace, entry.tag), kind: 'rows', order: nextOrder(), class: 'rows' },
      reader.rows(entry),
      () => ({ ...reader.sum(), meta: { dumpId: entry.dumpId, schema: entry.namespace, table: entry.tag } }),
    );
    const sum = reader.sum();
    result.rows += sum.rows;
    result.tables.push({ entry, sum });
  }
  return { ...result, blocks: reader.blocksRead, findings: emptiedTables(result.tables, rewritten) };
}

export function addHashes(left: string, right: string): string {
  const sum = BigInt.asUintN(128, BigInt(`0x${left === '' ? '0' : left}`) + BigInt(`0x${right === '' ? '0' : right}`));
  return sum.toString(16).padStart(32, '0');
}

async function* countBytes(body: AsyncIterable<Uint8Array>, count: (length: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    yield piece;
    count(piece.length);
  }
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
