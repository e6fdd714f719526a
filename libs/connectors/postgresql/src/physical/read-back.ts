import type { ConnectorContext, Job, TableReadBack } from '@rahat/connector-kit';
import { type Finding, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { isConnectionLoss, quoteIdentifier } from '../errors.js';
import { sumOfCopy } from '../logical/copy-sum.js';
import { checkStructure, describeStructure, type StructureCheck } from '../structure/check-structure.js';

const LABEL = 'rhb-test-restore';

interface ReadBack {
  /** Users' tables; the system's catalogs are read too, and only reported when damaged. */
  tables: TableReadBack[];
  findings: Finding[];
}

/** Reads every table of every database to its end, and looks at the pages of every table and B-tree index. */
export async function readBack(
  server: { connection: PostgresqlConnection; major: number },
  context: ConnectorContext,
  job: Job,
): Promise<ReadBack> {
  const { connection } = server;
  const result: ReadBack = { tables: [], findings: [] };
  const structures: StructureCheck[] = [];
  const databases = await openableDatabases(connection, job.signal);
  for (const database of databases) {
    try {
      await readTables(connection, database, result, job);
      structures.push(await checkStructure(server, database, false, context, job));
    } catch (error) {
      // A restored server that dies under reading is not readable; a cancelled run is no finding.
      if (job.signal.aborted) throw error;
      const message = `Database ${database} could not be read in the throwaway server: ${error instanceof Error ? error.message : String(error)}`;
      result.findings.push({
        code: 'database_unreadable',
        severity: 'blocker',
        object: database,
        message,
        fix: 'If a locale is missing on this machine, install it (dpkg-reconfigure locales) and verify again.',
      });
    }
  }
  result.findings.push(...structures.flatMap((check) => check.findings), describeStructure(structures));
  const rows = result.tables.reduce((sum, table) => sum + table.rows, 0);
  result.findings.push({
    code: 'read_back',
    severity: 'info',
    message: `${databases.length} databases were read to their end: ${result.tables.length} tables with ${rows} rows. Row counts of a live server at that instant are not known, so they were not compared.`,
  });
  return result;
}

async function openableDatabases(connection: PostgresqlConnection, signal: AbortSignal): Promise<string[]> {
  await using client = await connectClient(connection, { database: 'template1', label: LABEL, signal });
  // datconnlimit -2 marks a database whose removal was interrupted: nobody can open it.
  const { rows } = await client.query<{ name: string; closed: boolean }>(
    `SELECT datname AS name, NOT datallowconn AS closed FROM pg_catalog.pg_database WHERE datconnlimit <> -2 ORDER BY datname`,
  );
  for (const { name, closed } of rows) if (closed) await client.query(`ALTER DATABASE ${quoteIdentifier(name)} ALLOW_CONNECTIONS true`);
  return rows.map(({ name }) => name);
}

async function readTables(connection: PostgresqlConnection, database: string, result: ReadBack, job: Job): Promise<void> {
  await using client = await connectClient(connection, { database, label: LABEL, signal: job.signal });
  const { encoding } = (await client.query<{ encoding: string }>('SELECT getdatabaseencoding() AS encoding')).rows[0] ?? {
    encoding: 'UTF8',
  };
  if (encoding === 'SQL_ASCII') await client.query('SET client_encoding TO SQL_ASCII');
  // Unlogged tables are emptied by recovery, temporary ones belonged to sessions that are gone.
  const { rows: tables } = await client.query<{ schema: string; name: string; statement: Buffer }>(
    `SELECT n.nspname AS schema, c.relname AS name,
            convert_to(format(CASE c.relkind WHEN 'm' THEN 'COPY (SELECT * FROM %I.%I) TO STDOUT' ELSE 'COPY %I.%I TO STDOUT' END, n.nspname, c.relname),
                       getdatabaseencoding()) AS statement
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated ORDER BY 1, 2`,
  );
  // Bytes as they are stored: nothing is converted on the way, so nothing fails by it.
  await client.query(`SET client_encoding TO ${quoteIdentifier(encoding)}`);
  await client.query('SET bytea_output = hex');
  for (const { schema, name, statement } of tables) {
    job.progress({ phase: 'reading', object: `${database}.${schema}.${name}`, bytes: 0 });
    const sum = await damageAsFinding(`${database}.${schema}.${name}`, result.findings, () => sumOfCopy(client, statement));
    if (sum && schema !== 'pg_catalog' && schema !== 'information_schema') result.tables.push({ database, schema, table: name, ...sum });
  }
}

/** The server's word that something is damaged is a finding, and the reading goes on; a lost server is an error. */
async function damageAsFinding<T>(object: string, findings: Finding[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RahatError || isConnectionLoss(error)) throw error;
    const message = `${object} cannot be read to its end: ${error instanceof Error ? error.message : String(error)}`;
    findings.push({ code: 'table_unreadable', severity: 'blocker', object, message });
    return undefined;
  }
}
