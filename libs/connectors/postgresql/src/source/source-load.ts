import type pg from 'pg';
import type { StandbyPosition } from './replica-lag.js';
import type { Waiter } from './waiting-behind.js';

/** What one look tells of a server. */
export interface SourceLoad {
  /** Bytes of the log from its very beginning. */
  position: number;
  standbys: StandbyPosition[];
  /** Of a standby that is read itself: how far it is behind what it has received. */
  ownLag: { bytes: number; seconds: number } | null;
  /** Age of the oldest transaction of others. */
  transactionSeconds: number;
  active: number;
  ioWaits: number;
  waiters: Waiter[];
  /** Processes of the attempt. */
  ours: number[];
  /** Whether the user sees what sessions of others do. */
  seesOthers: boolean;
}

/** Of so many waiting sessions the blockers are asked for: each asking stops the lock manager for a moment (docs: pg_blocking_pids). */
const MOST_WAITERS = 50;

// waitstart is there from PostgreSQL 14 on, hence to_jsonb; log followers and base backups are no standbys, and replay nothing.
const LOOK = `
  WITH ours AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND usesysid = (SELECT oid FROM pg_roles WHERE rolname = current_user)),
    others AS MATERIALIZED (
      SELECT xact_start, state, wait_event_type FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND pid NOT IN (SELECT pid FROM ours)),
    waiting AS MATERIALIZED (
      SELECT pid, max(EXTRACT(epoch FROM clock_timestamp() - (to_jsonb(l) ->> 'waitstart')::timestamptz))::float8 AS seconds
        FROM pg_locks l WHERE NOT granted AND pid IS NOT NULL GROUP BY pid ORDER BY seconds DESC NULLS LAST LIMIT ${MOST_WAITERS})
  SELECT
    (CASE WHEN recovering THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::float8 AS position,
    (SELECT COALESCE(jsonb_agg(jsonb_build_object('name', application_name, 'replayed', (replay_lsn - '0/0')::float8, 'replaySeconds', EXTRACT(epoch FROM replay_lag)::float8)), '[]')
       FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL AND application_name NOT LIKE 'rhb\\_%') AS standbys,
    CASE WHEN recovering THEN jsonb_build_object('bytes', GREATEST(0, pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn())::float8,
      'seconds', GREATEST(0, EXTRACT(epoch FROM now() - pg_last_xact_replay_timestamp()))::float8) END AS own_lag,
    (SELECT COALESCE(EXTRACT(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 FROM others) AS transaction_seconds,
    (SELECT count(*)::int FROM others WHERE state = 'active') AS active,
    (SELECT count(*)::int FROM others WHERE state = 'active' AND wait_event_type = 'IO') AS io_waits,
    (SELECT COALESCE(jsonb_agg(jsonb_build_object('pid', pid, 'blockers', pg_blocking_pids(pid), 'waitedSeconds', seconds)), '[]') FROM waiting) AS waiters,
    ARRAY(SELECT pid FROM ours) AS ours,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others
  FROM pg_is_in_recovery() AS recovering`;

interface LookRow {
  position: number;
  standbys: StandbyPosition[];
  own_lag: { bytes: number | null; seconds: number | null } | null;
  transaction_seconds: number;
  active: number;
  io_waits: number;
  waiters: Waiter[];
  ours: number[];
  sees_others: boolean;
}

/** `label` is the application_name of the attempt's sessions. One statement, of which the server's tables of state are the source. */
export async function lookAtSource(client: pg.Client, label: string): Promise<SourceLoad> {
  const { rows } = await client.query<LookRow>(LOOK, [label]);
  const row = rows[0]!;
  const bytes = row.own_lag?.bytes ?? 0;
  return {
    position: row.position,
    standbys: row.standbys,
    // Without anything to replay an idle source makes the last transaction look old.
    ownLag: row.own_lag && { bytes, seconds: bytes === 0 ? 0 : (row.own_lag.seconds ?? 0) },
    transactionSeconds: Math.max(0, row.transaction_seconds),
    active: row.active,
    ioWaits: row.io_waits,
    waiters: row.waiters,
    ours: row.ours,
    seesOthers: row.sees_others,
  };
}

/** Ends what of the attempt still works on the server; a user may always end sessions of their own. True when nothing is left. */
export async function endSessions(client: pg.Client, label: string): Promise<boolean> {
  const { rows } = await client.query<{ ended: boolean }>(
    `SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
      WHERE application_name = $1 AND pid <> pg_backend_pid() AND usesysid = (SELECT oid FROM pg_roles WHERE rolname = current_user)`,
    [label],
  );
  return rows.length === 0;
}
