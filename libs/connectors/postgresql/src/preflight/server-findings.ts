import { isIPv4 } from 'node:net';
import type pg from 'pg';
import type { Finding } from '@rahat/contracts';
import type { RoutedConnection } from '../reach/index.js';
import { findTools } from '../tools.js';
import { type CurableFinding, cured, setting } from './cured.js';
import type { Rights } from './rights.js';

/** A replica this far behind gives backups of a moment that is past. */
const FAR_BEHIND_SECONDS = 300;
/** Half of the transactions that a database can be old before the server stops to write: 2^31. */
const OLD_AGE = 1_000_000_000;

/** What can be read on the way; `remoteAddress` is that of the socket. */
export function encryptionFindings(
  connection: Pick<RoutedConnection, 'tls' | 'tlsCa' | 'host' | 'route'>,
  { encrypted, remoteAddress }: { encrypted: boolean; remoteAddress: string | undefined },
): Finding[] {
  if (connection.route || connection.host.startsWith('/') || isLoopback(remoteAddress)) return [];
  if (!encrypted)
    return [
      {
        code: 'connection_not_encrypted',
        severity: 'warning',
        message: 'Passwords, rows and log go over the network in clear.',
        fix: 'Turn on ssl on the server, and use sslmode=verify-full here; or reach it through an SSH host.',
      },
    ];
  if (connection.tls.startsWith('verify') || connection.tlsCa !== undefined) return [];
  return [
    {
      code: 'certificate_not_checked',
      severity: 'info',
      message: 'The connection is encrypted, but whoever is between could be the other end: the certificate is not checked.',
      fix: 'Use sslmode=verify-full with the certificate of the authority (--tls-ca).',
    },
  ];
}

function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.replace(/^::ffff:/, '');
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

/** Tools of the right major but older than the server lack mends that the server has. */
export async function toolSkewFindings({ major, version }: Rights, toolFolders: readonly string[]): Promise<Finding[]> {
  const tools = (await findTools(toolFolders)).find((one) => one.major === major && one.pgDump !== undefined);
  if (!tools || minorOf(tools.version) >= minorOf(version)) return [];
  return [
    {
      code: 'tool_older_minor',
      severity: 'info',
      message: `pg_dump ${tools.version} on the worker is older than the server's ${version}.`,
      fix: `Update it on the worker: apt-get install --only-upgrade postgresql-client-${major}`,
    },
  ];
}

function minorOf(version: string): number {
  return Number(/^\d+\.(\d+)/.exec(version)?.[1] ?? Number.MAX_SAFE_INTEGER);
}

export interface ReplicaState {
  /** Null where nothing was replayed yet. */
  behindSeconds: number | null;
}

export async function readReplicaState(client: pg.Client): Promise<ReplicaState> {
  // All that was received is replayed: then the age of the last transaction is the primary's silence, no lag.
  const { rows } = await client.query<{ behind: number | null }>(`
    SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8 AS behind`);
  return { behindSeconds: rows[0]?.behind ?? null };
}

export function replicaFindings({ behindSeconds }: ReplicaState): Finding[] {
  if (behindSeconds === null || behindSeconds < FAR_BEHIND_SECONDS) return [];
  return [
    {
      code: 'replica_far_behind',
      severity: 'warning',
      message: `The replica is ${Math.round(behindSeconds)} s behind its primary; so are its backups.`,
      fix: 'Look at its network and its replay, or back up the primary.',
    },
  ];
}

/** Settings under which a file may not be what it should be. */
export async function safetyFindings(client: pg.Client): Promise<CurableFinding[]> {
  const { rows } = await client.query<{ fsync: string; pages: string; checksums: string }>(
    `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages, current_setting('data_checksums') AS checksums`,
  );
  const findings: CurableFinding[] = [];
  if (rows[0]?.fsync === 'off')
    findings.push(
      cured(
        {
          code: 'fsync_off',
          severity: 'warning',
          message: 'A crash of the machine may destroy the server: it does not wait for its disk.',
        },
        setting('fsync', 'on', 'reload'),
      ),
    );
  if (rows[0]?.pages === 'off')
    findings.push(
      cured(
        {
          code: 'full_page_writes_off',
          severity: 'warning',
          message: 'A crash of the machine may leave torn pages, also in physical backups.',
        },
        setting('full_page_writes', 'on', 'reload'),
      ),
    );
  if (rows[0]?.checksums === 'off')
    findings.push({
      code: 'data_checksums_off',
      severity: 'info',
      message: 'The server keeps no checksums of its pages: damage on its disk goes into physical backups unseen.',
      fix: 'pg_checksums --enable, while the server is stopped.',
    });
  return findings;
}

/** pg_read_all_data reads catalogs too, those with password hashes among them; PostgreSQL has nothing between it and single grants. */
export async function secretFindings(client: pg.Client, { superuser }: Pick<Rights, 'superuser'>): Promise<Finding[]> {
  if (superuser) return [];
  const { rows } = await client.query<{ readable: boolean }>(`SELECT has_table_privilege('pg_authid', 'SELECT') AS readable`);
  if (!rows[0]?.readable) return [];
  return [
    {
      code: 'password_hashes_readable',
      severity: 'info',
      message: 'pg_read_all_data lets the user read the password hashes of all roles as well.',
      fix: 'Where that is too much: rahat-backup server create-user --by-object. Tables of new owners then need a grant first.',
    },
  ];
}

/** Databases that come near to the end of their transaction numbers. */
export async function wraparoundFindings(client: pg.Client): Promise<(CurableFinding & { database: string })[]> {
  const { rows } = await client.query<{ name: string; age: number }>(
    `SELECT datname::text AS name, age(datfrozenxid) AS age FROM pg_database WHERE datallowconn AND age(datfrozenxid) > $1 ORDER BY 2 DESC`,
    [OLD_AGE],
  );
  return rows.map(({ name, age }) => ({
    ...cured(
      {
        code: 'wraparound_near',
        severity: 'warning',
        message: `Its oldest transaction is ${age} transactions old; at about 2100000000 the server takes no more writes.`,
      },
      { sql: 'VACUUM (FREEZE);', scope: 'database' },
    ),
    database: name,
  }));
}

/** Databases that the user is not let into. */
export async function connectFindings(client: pg.Client, user: string): Promise<(CurableFinding & { database: string })[]> {
  const { rows } = await client.query<{ name: string; sql: string }>(
    `SELECT datname::text AS name, format('GRANT CONNECT ON DATABASE %I TO %I;', datname, $1::text) AS sql
       FROM pg_database WHERE datallowconn AND NOT datistemplate AND NOT has_database_privilege(oid, 'CONNECT') ORDER BY 1`,
    [user],
  );
  return rows.map(({ name, sql }) => ({
    ...cured(
      { code: 'connect_right_missing', severity: 'blocker', message: 'The user may not connect to this database.' },
      { sql, scope: 'server' },
    ),
    database: name,
  }));
}
