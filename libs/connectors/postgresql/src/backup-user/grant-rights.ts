import type pg from 'pg';
import type { BackupUserRequest } from '@rahat/connector-kit';
import { connectClient, type DisposableClient } from '../connect.js';
import { lacksRight, queryError, quoteIdentifier, quoteLiteral } from '../errors.js';
import { databasesOfProvider, type ManagedServer } from '../preflight/managed-server.js';
import type { RoutedConnection } from '../reach/index.js';
import { READ_ALL_DATA_SINCE, readingGrants } from '../reading-grants.js';
import { LABEL } from './found-role.js';
import { scramVerifier } from './scram-verifier.js';

/** Somebody who holds a table for longer ends the work, not the patience of who waits for it. */
const LOCK_LIMIT = '10s';

interface Work {
  /** The role is not there yet. */
  create: boolean;
  major: number;
  managed: ManagedServer | null;
  signal: AbortSignal;
}

/**
 * Gives the role what it needs; answers with what the administrator may not give and what a backup can be made without.
 *
 * On most servers all of it is one transaction. Where reading has to be granted in each database, the role is first made without a way
 * to log in, because other databases see it only then; it gets its password last. So whatever ends this in the middle leaves either no
 * role or one that nobody can use.
 */
export async function grantRights(
  client: DisposableClient,
  admin: RoutedConnection,
  request: BackupUserRequest,
  work: Work,
): Promise<string[]> {
  const role = quoteIdentifier(request.name);
  const notGranted: string[] = [];
  const optional = async (statement: string): Promise<boolean> => {
    const given = await tried(client, statement);
    if (!given) notGranted.push(statement);
    return given;
  };

  await client.query(`SET lock_timeout = '${LOCK_LIMIT}'`);
  await client.query('BEGIN');
  if (work.create) {
    await client.query(`CREATE ROLE ${role} NOLOGIN`);
    await client.query(`COMMENT ON ROLE ${role} IS ${quoteLiteral(request.mark)}`);
  }
  await using databases = new AsyncDisposableStack();
  const opened: pg.Client[] = [];
  const logical = request.uses.includes('logical');
  if (logical && (request.byObject || !(await readsEverything(client, role, work.major)))) {
    await client.query('COMMIT');
    for (const database of await databasesOf(client, work.managed)) {
      const inside = databases.use(await connectClient(admin, { database, label: LABEL, signal: work.signal }));
      await inside.query(`SET lock_timeout = '${LOCK_LIMIT}'`);
      await inside.query('BEGIN');
      await grantReading(inside, request.name);
      opened.push(inside);
    }
    await client.query('BEGIN');
  }

  if (logical) {
    await optional(`ALTER ROLE ${role} BYPASSRLS`);
    // Who may not give it gets a mere warning for it: the report tells which databases stay closed.
    for (const database of await closedDatabases(client)) await tried(client, `GRANT CONNECT ON DATABASE ${database} TO ${role}`);
  }
  await optional(`GRANT pg_monitor TO ${role}`);
  if (request.uses.some((use) => use !== 'logical')) await client.query(`ALTER ROLE ${role} REPLICATION`);
  if (work.create) {
    // On PostgreSQL 13 and 14 everybody may make tables in schema public; this one doesn't, not even by mistake.
    await optional(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
    await client.query(`ALTER ROLE ${role} LOGIN PASSWORD ${quoteLiteral(scramVerifier(request.password))}`);
  }
  for (const inside of opened) await inside.query('COMMIT');
  await client.query('COMMIT');
  return notGranted;
}

/** One membership for all tables, where there is one and the administrator may give it. */
async function readsEverything(client: pg.Client, role: string, major: number): Promise<boolean> {
  return major >= READ_ALL_DATA_SINCE && (await tried(client, `GRANT pg_read_all_data TO ${role}`));
}

/** Those that the administrator gets into. */
async function databasesOf(client: pg.Client, managed: ManagedServer | null): Promise<string[]> {
  const ofProvider = databasesOfProvider(managed);
  const { rows } = await client.query<{ name: string }>(
    `SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate AND has_database_privilege(oid, 'CONNECT') ORDER BY 1`,
  );
  return rows.map(({ name }) => name).filter((name) => !ofProvider.includes(name));
}

async function grantReading(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query<{ schemas: string[]; owners: string[] }>(`
    WITH own AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
    SELECT ARRAY(SELECT nspname::text FROM own ORDER BY 1) AS schemas,
           ARRAY(SELECT DISTINCT pg_get_userbyid(o)::text FROM (
             SELECT nspowner FROM own UNION SELECT relowner FROM pg_class WHERE relnamespace IN (SELECT oid FROM own)
             UNION SELECT datdba FROM pg_database WHERE datname = current_database()) owners(o) ORDER BY 1) AS owners`);
  try {
    for (const statement of readingGrants(name, rows[0]!)) {
      // What is made later is granted by its maker; who may not speak for him leaves it to the preflight of that day.
      if (statement.startsWith('ALTER DEFAULT')) await tried(client, statement);
      else await client.query(statement);
    }
  } catch (error) {
    throw queryError(error, 'granting to read');
  }
}

/** Where not everybody may connect; quoted. */
async function closedDatabases(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT quote_ident(datname) AS name FROM pg_database WHERE datallowconn AND NOT datistemplate AND NOT EXISTS (
       SELECT FROM aclexplode(COALESCE(datacl, acldefault('d', datdba))) a WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT')`,
  );
  return rows.map(({ name }) => name);
}

/** False where the server refuses it to this administrator; the transaction goes on. */
async function tried(client: pg.Client, statement: string): Promise<boolean> {
  await client.query('SAVEPOINT tried');
  try {
    await client.query(statement);
    await client.query('RELEASE SAVEPOINT tried');
    return true;
  } catch (error) {
    if (!lacksRight(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT tried');
    return false;
  }
}
