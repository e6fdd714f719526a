import type pg from 'pg';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { connectClient, type ConnectOptions } from '../connect.js';
import { queryError } from '../errors.js';

export interface SnapshotSession extends AsyncDisposable {
  client: pg.Client;
  /** For pg_dump --snapshot; good as long as this session stays. */
  snapshot: string;
  consistentAt: string;
  position: string;
  identity: string;
  serverVersion: string;
  major: number;
  superuser: boolean;
  largeObjects: number;
}

/** A read-only transaction that exports its snapshot: everything read in it and by pg_dump is one moment of the database. */
export async function openSnapshotSession(connection: PostgresqlConnection, options: ConnectOptions): Promise<SnapshotSession> {
  const client = await connectClient(connection, options);
  try {
    await client.query(`SELECT pg_catalog.set_config(name, '0', false) FROM pg_settings
      WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`);
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const [row] = (
      await client.query<{
        snapshot: string;
        moment: Date;
        position: string;
        version: string;
        version_number: number;
        superuser: boolean;
        objects: string;
      }>(`
      SELECT pg_export_snapshot() AS snapshot, now() AS moment, current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_number,
             (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS position,
             (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser, (SELECT count(*) FROM pg_largeobject_metadata) AS objects`)
    ).rows;
    if (!row) throw new RahatError('internal', 'The server gave no snapshot');
    return {
      client,
      snapshot: row.snapshot,
      consistentAt: row.moment.toISOString(),
      position: row.position,
      identity: await systemIdentifier(client),
      serverVersion: row.version,
      major: Math.floor(row.version_number / 10_000),
      superuser: row.superuser,
      largeObjects: Number(row.objects),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw queryError(error, 'opening the snapshot');
  }
}

export async function systemIdentifier(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
  return rows[0]?.id ?? '';
}
