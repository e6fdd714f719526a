import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { lacksRight, queryError, quoteIdentifier } from '../errors.js';
import type { RoutedConnection } from '../reach/index.js';
import { findRole, type FoundRole, LABEL } from './found-role.js';

/** Takes a role away that bears this mark, with all it was granted. False when there is none; a role of somebody else stays. */
export async function removeBackupUser(admin: RoutedConnection, name: string, mark: string, signal: AbortSignal): Promise<boolean> {
  await using client = await connectClient(admin, { database: admin.maintenanceDatabase, label: LABEL, signal });
  try {
    const role = await findRole(client, name);
    if (!role || role.superuser || role.mark !== mark) return false;
    await refuseOwner(client, name, role);
    for (const database of await grantedIn(client, role)) {
      if (database === admin.maintenanceDatabase) continue;
      await using inside = await connectClient(admin, { database, label: LABEL, signal });
      await takeGrantsBack(inside, name);
    }
    // Last of all, because it also holds what concerns no single database.
    await takeGrantsBack(client, name);
    await client.query(`DROP ROLE ${quoteIdentifier(name)}`);
    return true;
  } catch (error) {
    throw queryError(error, `removing the backup user '${name}'`);
  }
}

/** What is dropped below are grants only: a role that owns something has become somebody else's. */
async function refuseOwner(client: pg.Client, name: string, { oid }: FoundRole): Promise<void> {
  const { rows } = await client.query(
    `SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1::oid AND deptype = 'o' LIMIT 1`,
    [oid],
  );
  if (rows.length > 0)
    throw new RahatError('conflict', `The role '${name}' owns something on the server and was left alone`, {
      hint: 'Give what it owns to another role (REASSIGN OWNED), or use another name.',
    });
}

async function grantedIn(client: pg.Client, { oid }: FoundRole): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT datname::text AS name FROM pg_shdepend JOIN pg_database d ON d.oid = dbid
      WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1::oid AND datallowconn ORDER BY 1`,
    [oid],
  );
  return rows.map((row) => row.name);
}

async function takeGrantsBack(client: pg.Client, name: string): Promise<void> {
  const role = quoteIdentifier(name);
  const drop = () => client.query(`DROP OWNED BY ${role}`);
  try {
    await drop();
  } catch (error) {
    if (!lacksRight(error)) throw error;
    // Who is no superuser may do it as a member, which who made the role may become.
    await client.query(`GRANT ${role} TO CURRENT_USER`);
    await drop();
  }
}
