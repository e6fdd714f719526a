import type { ArtifactSource, ConnectorContext, Job, LogRecovery, TestRestoreFacts } from '@rahat/connector-kit';
import type { Assertion, PostgresqlConnection } from '@rahat/contracts';
import { checkAssertions } from '../assertions/check-assertions.js';
import { connectClient } from '../connect.js';
import { readFacts } from './base-backup-layout.js';
import { readBack } from './read-back.js';
import { startRecovered } from './recovered-server.js';

const LABEL = 'rhb-test-restore';

/**
 * Restores into a throwaway server of the same major and proves: each file as the server sent it, recovery up to the end of
 * the backup, ready to write, every table of every database readable to its end, its pages and those of its B-tree indexes
 * sound. A live server's rows at that instant are known to nobody, so rows are reported as read, never as compared (README,
 * "What FULL proves").
 */
export async function testRestoreBaseBackup(
  source: ArtifactSource,
  context: ConnectorContext,
  job: Job,
  assertions: readonly Assertion[] = [],
  recovery?: LogRecovery,
): Promise<TestRestoreFacts> {
  await using recovered = await startRecovered({ source, facts: await readFacts(source) }, context, job, recovery);
  const { server, bytes, reached } = recovered;
  const { tables, findings } = await readBack(server, context, job);
  const known = await databaseNames(server.connection, job.signal);
  const databaseOf = ({ database = 'postgres' }: Assertion) => (known.has(database) ? database : undefined);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return {
    target: `throwaway PostgreSQL ${server.version}`,
    restoredOn: `throwaway PostgreSQL ${server.version}`,
    setAside: [],
    tables: [],
    tablesRead: tables,
    assertions: await checkAssertions(server.connection, assertions, databaseOf, job),
    rows,
    bytes,
    findings,
    recovery: reached,
  };
}

async function databaseNames(connection: PostgresqlConnection, signal: AbortSignal): Promise<Set<string>> {
  await using client = await connectClient(connection, { database: 'template1', label: LABEL, signal });
  const { rows } = await client.query<{ name: string }>('SELECT datname AS name FROM pg_catalog.pg_database WHERE datallowconn');
  return new Set(rows.map(({ name }) => name));
}
