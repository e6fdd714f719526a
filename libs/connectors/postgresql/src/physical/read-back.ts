import type { Job, TableReadBack } from '@rahat/connector-kit';
import { type Finding, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import type pg from 'pg';
import { connectClient, type DisposableClient } from '../connect.js';
import { isConnectionLoss, quoteIdentifier } from '../errors.js';
import { sumOfCopy } from '../logical/copy-sum.js';

const LABEL = 'rhb-test-restore';

interface ReadBack {
  /** Users' tables; the system's catalogs are read too, and only reported when damaged. */
  tables: TableReadBack[];
  findings: Finding[];
}

/** Reads every table of every database to its end, and checks every B-tree index against its table. */
export async function readBack(connection: PostgresqlConnection, job: Job): Promise<ReadBack> {
  const result: ReadBack = { tables: [], findings: [] };
  let indexes = 0;
  const databases = await openableDatabases(connection, job.signal);
  for (const database of databases) {
    try {
      await using client = await connectClient(connection, { database, label: LABEL, signal: job.signal });
      await readTables(client, database, result, job);
      indexes += await checkIndexes(client, database, result.findings, job);
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
  const rows = result.tables.reduce((sum, table) => sum + table.rows, 0);
  result.findings.push({
    code: 'read_back',
    severity: 'info',
    message: `${databases.length} databases were read to their end: ${result.tables.length} tables with ${rows} rows, ${indexes} B-tree indexes checked against their tables. Row counts of a live server at that instant are not known, so they were not compared.`,
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

async function readTables(client: DisposableClient, database: string, result: ReadBack, job: Job): Promise<void> {
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

async function checkIndexes(client: DisposableClient, database: string, findings: Finding[], job: Job): Promise<number> {
  await client.query(`SET client_encoding TO 'UTF8'`).catch(() => undefined); // SQL_ASCII has no conversion; names stay bytes.
  const schema = await amcheckSchema(client);
  if (schema === undefined) {
    findings.push({
      code: 'indexes_not_checked',
      severity: 'info',
      object: database,
      message: `The extension amcheck is not installed beside the throwaway server: the indexes of ${database} were not checked.`,
    });
    return 0;
  }
  const { rows: indexes } = await client.query<{ oid: number; name: string }>(
    `SELECT c.oid, c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid JOIN pg_catalog.pg_am a ON a.oid = c.relam
      WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid AND i.indisready ORDER BY c.oid`,
  );
  for (const { oid, name } of indexes) {
    job.progress({ phase: 'checking indexes', object: `${database}.${name}`, bytes: 0 });
    await damageAsFinding(`${database}.${name}`, findings, () =>
      client.query(`SELECT ${quoteIdentifier(schema)}.bt_index_check($1::oid::regclass, true)`, [oid]),
    );
  }
  return indexes.length;
}

/** Where amcheck's functions are; installs it when it is there to be installed. */
async function amcheckSchema(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ schema: string | null }>(
    `SELECT (SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck') AS schema
       FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'`,
  );
  if (!rows[0]) return undefined;
  if (rows[0].schema !== null) return rows[0].schema;
  await client.query('CREATE SCHEMA rhb_t_amcheck');
  await client.query('CREATE EXTENSION amcheck SCHEMA rhb_t_amcheck');
  return 'rhb_t_amcheck';
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
