import type pg from 'pg';
import type { BackupRequest, ConnectorContext } from '@rahat/connector-kit';
import { RahatError, type Finding, type PostgresqlConnection } from '@rahat/contracts';
import { connectClient } from './connect.js';
import { queryError, quoteIdentifier } from './errors.js';
import { typeFindings } from './physical/type-findings.js';
import { clientOfMajor } from './required-tool.js';

const OLDEST_MAJOR = 13;
const NEWEST_MAJOR = 18;
/** A list longer than this says the same as its beginning. */
const MOST_OBJECTS = 20;

export interface Rights {
  user: string;
  major: number;
  version: string;
  superuser: boolean;
  replication: boolean;
  bypassRls: boolean;
  recovery: boolean;
  walLevel: string;
  maxWalSenders: number;
  /** Null before PostgreSQL 17, which can't. */
  summarizeWal: 'on' | 'off' | null;
}

export async function readRights(client: pg.Client): Promise<Rights> {
  const { rows } = await client.query<Rights>(`
    SELECT rolname::text AS user, current_setting('server_version_num')::int / 10000 AS major, current_setting('server_version') AS version,
           rolsuper AS superuser, rolsuper OR rolreplication AS replication, rolsuper OR rolbypassrls AS "bypassRls", pg_is_in_recovery() AS recovery,
           current_setting('wal_level') AS "walLevel", current_setting('max_wal_senders')::int AS "maxWalSenders",
           current_setting('summarize_wal', true) AS "summarizeWal" FROM pg_roles WHERE rolname = current_user`);
  if (!rows[0]) throw new RahatError('internal', 'The server does not know its own user');
  return rows[0];
}

/** What would make the backup fail or lack something, with the SQL that cures it. */
export async function preflight(connection: PostgresqlConnection, request: BackupRequest, context: ConnectorContext): Promise<Finding[]> {
  const database = request.method === 'postgresql.logical' ? request.database : connection.maintenanceDatabase;
  if (database === undefined) throw new RahatError('invalid_input', 'A logical backup needs the name of a database');
  await using client = await connectClient(connection, { database, label: request.label, signal: context.signal });
  try {
    const rights = await readRights(client);
    const findings = versionFindings(rights);
    if (request.method === 'postgresql.physical') return [...findings, ...physicalFindings(rights), ...typeFindings(rights, request.type)];
    findings.push(...(await toolFindings(rights.major, context)), ...(await poolerFindings(client, connection, request, context)));
    return [...findings, ...(await rightsFindings(client, rights)), ...(await contentFindings(client, rights))];
  } catch (error) {
    throw queryError(error, 'the preflight');
  }
}

export function versionFindings(rights: Rights): Finding[] {
  if (rights.major < OLDEST_MAJOR)
    return [
      {
        code: 'server_unsupported',
        severity: 'blocker',
        message: `PostgreSQL ${rights.version} is older than ${OLDEST_MAJOR}.`,
        fix: `Upgrade the server to PostgreSQL ${OLDEST_MAJOR} or newer.`,
      },
    ];
  if (rights.major > NEWEST_MAJOR)
    return [{ code: 'server_untested', severity: 'warning', message: `PostgreSQL ${rights.major} is newer than what was tested.` }];
  return [];
}

export function physicalFindings(rights: Rights): Finding[] {
  const findings: Finding[] = [];
  if (!rights.replication)
    findings.push({
      code: 'replication_right_missing',
      severity: 'blocker',
      message: 'The user may not start replication.',
      fix: `ALTER ROLE ${quoteIdentifier(rights.user)} REPLICATION; -- and a line in pg_hba.conf: host replication ${rights.user} <worker>/32 scram-sha-256`,
    });
  if (rights.walLevel === 'minimal')
    findings.push({
      code: 'wal_level_minimal',
      severity: 'blocker',
      message: 'The server writes too little log for a base backup.',
      fix: 'ALTER SYSTEM SET wal_level = replica; -- then restart the server',
    });
  if (rights.maxWalSenders === 0)
    findings.push({
      code: 'wal_senders_none',
      severity: 'blocker',
      message: 'The server allows no replication connection.',
      fix: 'ALTER SYSTEM SET max_wal_senders = 10; -- then restart the server',
    });
  return findings;
}

export async function toolFindings(major: number, context: ConnectorContext): Promise<Finding[]> {
  try {
    await clientOfMajor('pgDump', major, context.toolFolders);
    return [];
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'tool_missing') throw error;
    return [{ code: 'tool_missing', severity: 'blocker', message: error.message, fix: error.hint }];
  }
}

// A pooler in transaction mode gives a server session away while its client is still connected: a second client meets it.
async function poolerFindings(
  client: pg.Client,
  connection: PostgresqlConnection,
  request: BackupRequest,
  context: ConnectorContext,
): Promise<Finding[]> {
  const own = await backendPid(client);
  if ((client as unknown as { processID: number }).processID === own) return [];
  await using second = await connectClient(connection, {
    database: request.database ?? connection.maintenanceDatabase,
    label: request.label,
    signal: context.signal,
  });
  await second.query('BEGIN');
  const shared = (await backendPid(second)) === own;
  return [
    {
      code: shared ? 'pooler_transaction_mode' : 'pooler',
      severity: shared ? 'blocker' : 'warning',
      message: shared
        ? 'The connection goes through a pooler in transaction mode, which breaks snapshots.'
        : 'The connection goes through a pooler.',
      fix: 'Give the address and port of the database server itself.',
    },
  ];
}

async function backendPid(client: pg.Client): Promise<number | undefined> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
}

async function rightsFindings(client: pg.Client, rights: Rights): Promise<Finding[]> {
  if (rights.superuser) return [];
  const role = quoteIdentifier(rights.user);
  const findings: Finding[] = [
    {
      code: 'role_passwords_not_dumped',
      severity: 'info',
      message: 'Passwords of roles are not backed up: only a superuser can read them.',
    },
  ];
  const unreadable = await client.query<{ name: string; schema: string; kind: string }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name, format('%I', n.nspname) AS schema, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1`);
  if (unreadable.rows.length > 0) {
    const shown = unreadable.rows.slice(0, MOST_OBJECTS);
    const all =
      rights.major >= 14
        ? [`GRANT pg_read_all_data TO ${role};`]
        : [
            ...new Set(unreadable.rows.map((row) => `GRANT USAGE ON SCHEMA ${row.schema} TO ${role};`)),
            ...unreadable.rows.map((row) => `GRANT SELECT ON ${row.kind} ${row.name} TO ${role};`),
          ];
    findings.push({
      code: 'select_right_missing',
      severity: 'blocker',
      object: shown.map((row) => row.name).join(', '),
      message: `The user can't read ${unreadable.rows.length} tables or sequences.`,
      fix: all.join('\n'),
    });
  }
  const rowSecurity = rights.bypassRls
    ? []
    : (
        await client.query<{ name: string }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) ORDER BY 1`)
      ).rows;
  if (rowSecurity.length > 0) {
    findings.push({
      code: 'row_security',
      severity: 'blocker',
      object: rowSecurity
        .slice(0, MOST_OBJECTS)
        .map((row) => row.name)
        .join(', '),
      message: `Row-level security hides rows of ${rowSecurity.length} tables from the user.`,
      fix: `ALTER ROLE ${role} BYPASSRLS; -- as a superuser`,
    });
  }
  const [objects] = (
    await client.query<{ count: string }>(`
    SELECT count(*) AS count FROM pg_largeobject_metadata m
     WHERE current_setting('lo_compat_privileges') = 'off' AND NOT pg_has_role(m.lomowner, 'USAGE') AND NOT EXISTS (
       SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))`)
  ).rows;
  if (Number(objects?.count) > 0) {
    findings.push({
      code: 'large_objects_unreadable',
      severity: 'blocker',
      message: `The user can't read ${objects?.count} large objects; pg_read_all_data does not cover them.`,
      fix: `ALTER ROLE ${role} SET lo_compat_privileges = on; -- as a superuser`,
    });
  }
  const subscriptions = (
    await client.query<{ name: string }>(
      'SELECT subname::text AS name FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
    )
  ).rows;
  if (subscriptions.length > 0) {
    findings.push({
      code: 'subscriptions_not_dumped',
      severity: 'gap',
      object: subscriptions.map((row) => row.name).join(', '),
      message: 'Subscriptions are left out: only a superuser can back them up.',
      fix: `ALTER ROLE ${role} SUPERUSER; -- or accept the gap`,
    });
  }
  return findings;
}

async function contentFindings(client: pg.Client, rights: Rights): Promise<Finding[]> {
  const [row] = (
    await client.query<{ extensions: string[]; unlogged: string[]; foreign: string[]; objects: string; tables: string; locks: string }>(`
    SELECT ARRAY(SELECT extname || ' ' || extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1) AS extensions,
           ARRAY(SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relpersistence = 'u' AND relkind = 'r' ORDER BY 1) AS unlogged,
           ARRAY(SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'f' ORDER BY 1) AS foreign,
           (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')) AS tables,
           current_setting('max_locks_per_transaction')::int8 * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8) AS locks,
           (SELECT count(*) FROM pg_largeobject_metadata) AS objects`)
  ).rows;
  if (!row) return [];
  const listed = (names: string[]): string => names.slice(0, MOST_OBJECTS).join(', ');
  const findings: Finding[] = [];
  if (row.extensions.length > 0)
    findings.push({
      code: 'extensions',
      severity: 'info',
      object: listed(row.extensions),
      message: 'The target of a restore needs these extensions installed.',
    });
  if (row.extensions.some((name) => name.startsWith('timescaledb ')))
    findings.push({
      code: 'timescaledb',
      severity: 'warning',
      message: 'A restore needs exactly this version of TimescaleDB on the target.',
    });
  if (Number(row.tables) > Number(row.locks))
    findings.push({
      code: 'locks_may_not_suffice',
      severity: 'warning',
      message: `A dump locks all ${row.tables} tables at once; the server has room for about ${row.locks} locks.`,
      fix: `ALTER SYSTEM SET max_locks_per_transaction = ${Math.ceil(Number(row.tables) / 50)}; -- then restart the server`,
    });
  if (row.unlogged.length > 0)
    findings.push({
      code: 'unlogged_tables',
      severity: 'info',
      object: listed(row.unlogged),
      message: 'Unlogged tables are backed up, but empty on replicas and in physical backups.',
    });
  if (row.unlogged.length > 0 && rights.recovery)
    findings.push({
      code: 'unlogged_tables_on_replica',
      severity: 'blocker',
      object: listed(row.unlogged),
      message: "Unlogged tables can't be read on a replica.",
      fix: 'Back up from the primary.',
    });
  if (row.foreign.length > 0)
    findings.push({
      code: 'foreign_tables',
      severity: 'warning',
      object: listed(row.foreign),
      message: 'Of foreign tables only the definition is backed up; their rows are on another server.',
    });
  if (Number(row.objects) > 0)
    findings.push({ code: 'large_objects', severity: 'info', message: `${row.objects} large objects are backed up too.` });
  if (rights.recovery)
    findings.push({
      code: 'replica_source',
      severity: 'info',
      message: 'A long dump on a replica may be cancelled by replay.',
      fix: 'ALTER SYSTEM SET hot_standby_feedback = on; -- on the replica, then SELECT pg_reload_conf();',
    });
  return findings;
}
