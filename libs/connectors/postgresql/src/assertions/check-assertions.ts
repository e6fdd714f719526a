import { performance } from 'node:perf_hooks';
import type { Job } from '@rahat/connector-kit';
import type { Assertion, AssertionEvidence, PostgresqlConnection } from '@rahat/contracts';
import pg from 'pg';
import { connectClient, type DisposableClient } from '../connect.js';
import { queryError } from '../errors.js';
import { judgeAnswer, LONGEST_VALUE, type Answer } from './judge-answer.js';
import { LABEL } from './label.js';
import { makeReadingRole } from './reading-role.js';

/** PostgreSQL's query_canceled, which a statement_timeout ends with. */
const QUERY_CANCELED = '57014';

/**
 * Asks the user's questions of a restored copy. `databaseOf` says where; undefined = there is no such database. A question
 * that the server refuses has failed, with the server's reason; a server that is gone is thrown.
 */
export async function checkAssertions(
  superuser: PostgresqlConnection,
  assertions: readonly Assertion[],
  databaseOf: (assertion: Assertion) => string | undefined,
  job: Job,
): Promise<AssertionEvidence[]> {
  const databases = [...new Set(assertions.flatMap((assertion) => databaseOf(assertion) ?? []))];
  const reader = await makeReadingRole(superuser, databases, job.signal);
  const results: AssertionEvidence[] = [];
  for (const assertion of assertions) {
    job.signal.throwIfAborted();
    job.progress({ phase: 'checking assertions', object: assertion.name, bytes: 0 });
    const start = performance.now();
    const database = databaseOf(assertion);
    const { passed, message } =
      database === undefined
        ? { passed: false, message: `there is no database '${assertion.database}' in the backup` }
        : await check(reader, assertion, database, job.signal);
    results.push({
      name: assertion.name,
      passed,
      message: `Assertion '${assertion.name}' ${passed ? 'holds' : 'failed'}: ${message}.`,
      milliseconds: Math.round(performance.now() - start),
    });
  }
  return results;
}

async function check(
  reader: PostgresqlConnection,
  assertion: Assertion,
  database: string,
  signal: AbortSignal,
): Promise<{ passed: boolean; message: string }> {
  await using client = await connectClient(reader, { database, label: LABEL, signal });
  await client.query('BEGIN TRANSACTION READ ONLY');
  await client.query(`SET LOCAL statement_timeout = ${assertion.timeoutSeconds * 1000}`);
  try {
    return judgeAnswer(assertion.expect, await ask(client, assertion));
  } catch (error) {
    // FATAL: the server is going, and says nothing about the data.
    if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') throw queryError(error, `asking '${assertion.name}'`);
    if (error.code === QUERY_CANCELED) return { passed: false, message: `no answer within ${assertion.timeoutSeconds} s` };
    return { passed: false, message: `PostgreSQL refused the query: ${error.message}` };
  }
}

/** The parameter makes node-postgres use the protocol that takes one statement only; as a subquery it can be nothing but a query. */
async function ask(client: DisposableClient, { sql, expect }: Assertion): Promise<Answer> {
  const query = sql.replace(/[\s;]+$/, '');
  if (expect.kind === 'rows') {
    const { rows } = await client.query<{ count: string }>(`SELECT count(*) AS count FROM (\n${query}\n) AS answer LIMIT $1::int`, [1]);
    return { kind: 'rows', count: Number(rows[0]!.count) };
  }
  const { rows } = await client.query<{ value: string | null }>(
    `SELECT pg_catalog.left(answer.value::text, ${LONGEST_VALUE}) AS value FROM (\n${query}\n) AS answer (value) LIMIT $1::int`,
    [2],
  );
  return { kind: 'value', rows: rows.length, text: rows[0]?.value ?? null };
}
