import { RahatError } from '@rahat/contracts';
import type pg from 'pg';
import { handOverFunction } from './append-only.js';
import { translateDatabaseError } from './database-errors.js';
import { quoteIdentifier, quoteLiteral, schemaNamesOf, type SchemaNames } from './schema-names.js';
import { scramVerifier } from './scram-verifier.js';
import { SteadyClient } from './steady-client.js';

export interface ProvisionOptions {
  /** A superuser, or a user with CREATEROLE and CREATE on the database. */
  adminUrl: string;
  /** The services that own data, each with the password its role shall have (ASCII). */
  services: { name: string; password: string }[];
  /** The queues' own schema, where PostgreSQL carries them. */
  queue?: { schema: string; role: string; password: string };
}

export interface ProvisionedDatabase {
  /** Connection URL of each service's role, by service name. */
  serviceUrls: Record<string, string>;
  queueUrl?: string;
}

/** Makes the roles and schemas of design.md §4, or brings existing ones to that state; safe to run at every start. */
export async function provisionDatabase(options: ProvisionOptions): Promise<ProvisionedDatabase> {
  const client = new SteadyClient({
    connectionString: options.adminUrl,
    connectionTimeoutMillis: 10_000,
    statement_timeout: 30_000,
    application_name: 'rahat-provisioning',
  });
  try {
    await client.connect();
    await demandRights(client);
    await client.query('BEGIN');
    // Several processes may start at once; roles are shared by the whole server.
    await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.provisioning', 0))`);
    for (const service of options.services) await provisionService(client, service.name, service.password);
    if (options.queue) await provisionQueue(client, options.queue);
    await closePublicSchema(client);
    await client.query('COMMIT');
  } catch (error) {
    if ((error as { code?: string }).code === '42501') throw missingRights((error as Error).message, error);
    throw translateDatabaseError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
  return {
    serviceUrls: Object.fromEntries(
      options.services.map(({ name, password }) => [name, urlOf(options.adminUrl, schemaNamesOf(name).role, password)]),
    ),
    queueUrl: options.queue && urlOf(options.adminUrl, options.queue.role, options.queue.password),
  };
}

async function demandRights(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ user: string; database: string; roles: boolean; create: boolean }>(`
    SELECT current_user AS "user", current_database() AS database, r.rolsuper OR r.rolcreaterole AS roles,
           has_database_privilege(current_user, current_database(), 'CREATE') AS create
    FROM pg_roles r WHERE r.rolname = current_user`);
  const { user, database, roles, create } = rows[0]!;
  if (roles && create) return;
  const lacking = [...(roles ? [] : ['CREATEROLE']), ...(create ? [] : [`CREATE on database ${database}`])].join(' and ');
  const grants = [
    ...(roles ? [] : [`ALTER ROLE ${quoteIdentifier(user)} CREATEROLE;`]),
    ...(create ? [] : [`GRANT CREATE ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(user)};`]),
  ];
  throw new RahatError('configuration_invalid', `The database user ${user} lacks ${lacking}`, {
    hint: `Run as a superuser: ${grants.join(' ')}`,
  });
}

async function provisionService(client: pg.Client, service: string, password: string): Promise<void> {
  const names = schemaNamesOf(service);
  const { schema, role, systemRole, restrictedRole, keeperRole } = names;
  await makeRole(client, role, password);
  await makeRole(client, keeperRole);
  // What it may become it is not already: policies for a role hold for every member that inherits from it. Before the memberships, which
  // since PostgreSQL 16 remember this.
  await client.query(`ALTER ROLE ${quoteIdentifier(role)} NOINHERIT`);
  for (const entered of [systemRole, restrictedRole]) {
    await makeRole(client, entered);
    await client.query(`GRANT ${quoteIdentifier(entered)} TO ${quoteIdentifier(role)}`);
  }
  await makeSchema(client, schema, role, keeperRole);
  await client.query(`GRANT USAGE ON SCHEMA ${quoteIdentifier(schema)} TO ${[systemRole, restrictedRole].map(quoteIdentifier).join(', ')}`);
  await letServiceHandOver(client, names);
}

/** As whoever provisions: a service can give a thing to its keeper, and neither the service nor anybody it can become gets it back. */
async function letServiceHandOver(client: pg.Client, names: SchemaNames): Promise<void> {
  const { rowCount } = await client.query(`SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper`);
  if (!rowCount) for (const role of [names.role, names.keeperRole]) await client.query(`GRANT ${quoteIdentifier(role)} TO CURRENT_USER`);
  await client.query(handOverFunction(names));
}

async function provisionQueue(client: pg.Client, queue: NonNullable<ProvisionOptions['queue']>): Promise<void> {
  await makeRole(client, queue.role, queue.password);
  await makeSchema(client, queue.schema, queue.role);
}

/** With a password it can log in, without it is a group. */
async function makeRole(client: pg.Client, role: string, password?: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
  const login = password === undefined ? 'NOLOGIN' : `LOGIN PASSWORD ${quoteLiteral(await scramVerifier(password))}`;
  await client.query(`${rowCount ? 'ALTER' : 'CREATE'} ROLE ${quoteIdentifier(role)} ${login}`);
}

async function makeSchema(client: pg.Client, schema: string, owner: string, keeper?: string): Promise<void> {
  const { rows } = await client.query<{ owner: string }>('SELECT nspowner::regrole::text AS owner FROM pg_namespace WHERE nspname = $1', [
    schema,
  ]);
  if (!rows[0]) {
    // A creator who is no superuser must be a member of the new owner.
    const { rowCount } = await client.query(`SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper`);
    if (!rowCount) await client.query(`GRANT ${quoteIdentifier(owner)} TO CURRENT_USER`);
    await client.query(`CREATE SCHEMA ${quoteIdentifier(schema)} AUTHORIZATION ${quoteIdentifier(owner)}`);
  } else if (![owner, keeper].includes(rows[0].owner.replaceAll('"', ''))) {
    throw new RahatError('configuration_invalid', `The schema ${schema} belongs to ${rows[0].owner} and not to ${owner}`, {
      hint: 'Give Rahat Backup a database of its own.',
    });
  }
  await client.query(`REVOKE ALL ON SCHEMA ${quoteIdentifier(schema)} FROM PUBLIC`);
  await client.query(
    `ALTER ROLE ${quoteIdentifier(owner)} IN DATABASE ${quoteIdentifier(client.database!)} SET search_path = ${quoteIdentifier(schema)}`,
  );
}

/** Before PostgreSQL 15 everyone may create there. Only its owner can change that; elsewhere nothing of ours is in it. */
async function closePublicSchema(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query(
    `SELECT 1 FROM pg_namespace WHERE nspname = 'public' AND pg_has_role(current_user, nspowner, 'USAGE')`,
  );
  if (rowCount) await client.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
}

function missingRights(message: string, cause: unknown): RahatError {
  return new RahatError('configuration_invalid', `The database user may not prepare the database: ${message}`, {
    cause,
    hint: 'Use a superuser, or the user who made the roles rahat_… before, with CREATEROLE and CREATE on the database.',
  });
}

function urlOf(adminUrl: string, role: string, password: string): string {
  const url = new URL(adminUrl);
  url.username = encodeURIComponent(role);
  url.password = encodeURIComponent(password);
  return url.toString();
}
