import { randomBytes } from 'node:crypto';
import type { PostgresqlConnection } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';
import { LABEL } from './label.js';

/**
 * A login on a throwaway server that sees every row of the user's tables and can do nothing else. A user's SQL must not run as superuser: there,
 * it could start programs on the worker.
 */
export async function makeReadingRole(
  superuser: PostgresqlConnection,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<PostgresqlConnection> {
  const user = `rhb_a_${randomBytes(6).toString('hex')}`;
  const password = randomBytes(24).toString('base64url');
  const [first, ...others] = databases;
  if (first === undefined) return { ...superuser, user, password };
  await using client = await connectClient(superuser, { database: first, label: LABEL, signal });
  await client.query(`CREATE ROLE ${user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS PASSWORD '${password}'`);
  await admit(client, user);
  for (const database of others) {
    await using other = await connectClient(superuser, { database, label: LABEL, signal });
    await admit(other, user);
  }
  return { ...superuser, user, password };
}

/** Of everything but the system's own tables; `pg_read_all_data` would show the password hashes in them, too. */
async function admit(client: DisposableClient, user: string): Promise<void> {
  await client.query(`DO $$ DECLARE name text; BEGIN
    EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO ${user}', pg_catalog.current_database());
    FOR name IN SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
      EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO ${user}', name);
      EXECUTE pg_catalog.format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO ${user}', name);
    END LOOP; END $$`);
}
