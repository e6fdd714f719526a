import { setTimeout as delay } from 'node:timers/promises';
import type { Finding, PostgresqlConnection } from '@rahat/contracts';
import { RahatError } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';
import { queryError, quoteIdentifier } from '../errors.js';

export interface SlotState {
  /** Undefined when the server removed log that the slot needed. */
  restartLsn?: string;
  activePid?: number;
  /** reserved, extended, unreserved, lost. */
  walStatus?: string;
  /** So much may still be written until the slot is lost; absent without a limit. */
  safeBytes?: number;
  /** What the server keeps for it. */
  retainedBytes: number;
  limited: boolean;
}

const STATE = `
  SELECT slot_type AS type, restart_lsn::text AS "restartLsn", active_pid AS "activePid", wal_status AS "walStatus", safe_wal_size::text AS safe,
         greatest(0, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn))::text AS retained,
         current_setting('max_slot_wal_keep_size') <> '-1' AS limited
    FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`;

export async function readSlot(client: DisposableClient, slot: string): Promise<SlotState | undefined> {
  const { rows } = await client
    .query<{
      type: string;
      restartLsn: string | null;
      activePid: number | null;
      walStatus: string | null;
      safe: string | null;
      retained: string | null;
      limited: boolean;
    }>(STATE, [slot])
    .catch((error: unknown) => {
      throw queryError(error, 'looking at the replication slot');
    });
  const [row] = rows;
  if (!row) return undefined;
  if (row.type !== 'physical')
    throw new RahatError('source_unsupported', `The replication slot ${slot} is a ${row.type} one, made by somebody else`, {
      hint: `Choose another name for the slot of this stream, or remove it: SELECT pg_drop_replication_slot('${slot}');`,
    });
  return {
    restartLsn: row.restartLsn ?? undefined,
    activePid: row.activePid ?? undefined,
    walStatus: row.walStatus ?? undefined,
    safeBytes: row.safe === null ? undefined : Number(row.safe),
    retainedBytes: Number(row.retained ?? 0),
    limited: row.limited,
  };
}

export function isLost(state: SlotState): boolean {
  return state.walStatus === 'lost' || state.restartLsn === undefined;
}

/** What of a slot's state concerns people. */
export function slotFindings(slot: string, state: SlotState): Finding[] {
  const findings: Finding[] = [];
  if (state.walStatus === 'unreserved')
    findings.push({
      code: 'slot_nearly_lost',
      severity: 'warning',
      object: slot,
      message: `The server may remove log that ${slot} needs at its next checkpoint: it keeps ${state.retainedBytes} bytes for it, more than max_slot_wal_keep_size allows.`,
      fix: 'Find out why the log is not taken off fast enough; raise max_slot_wal_keep_size until then.',
    });
  else if (state.walStatus === 'extended')
    findings.push({
      code: 'slot_retains_much',
      severity: 'warning',
      object: slot,
      message: `The server keeps ${state.retainedBytes} bytes of log for ${slot}, more than max_wal_size${state.safeBytes === undefined ? ' and without a limit: it could fill its disk' : `; after ${state.safeBytes} more the log is lost`}.`,
      fix: 'Find out why the log is not taken off fast enough.',
    });
  return findings;
}

const RELEASE_LIMIT_MS = 30_000;

/** Ends our own former connection that still holds the slot, e.g. of a follower that was killed; a server notices that late. */
export async function releaseSlot(client: DisposableClient, slot: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + RELEASE_LIMIT_MS;
  for (let told = false; ; told = true) {
    const state = await readSlot(client, slot);
    if (state?.activePid === undefined) return;
    if (!told) {
      await client.query('SELECT pg_terminate_backend($1)', [state.activePid]).catch(() => undefined); // Of another role: then only waiting helps.
    }
    if (Date.now() > deadline)
      throw new RahatError('log_slot_in_use', `The replication slot ${slot} is in use by process ${state.activePid} of the server`, {
        hint: `Find out who it is (SELECT * FROM pg_stat_replication), and end it: SELECT pg_terminate_backend(${state.activePid});`,
      });
    await delay(200, undefined, { signal });
  }
}

/** False when there is none. */
export async function dropSlot(connection: PostgresqlConnection, slot: string, signal: AbortSignal): Promise<boolean> {
  await using client = await connectClient(connection, { database: connection.maintenanceDatabase, label: 'rahat-drop-slot', signal });
  if (!(await readSlot(client, slot))) return false;
  await releaseSlot(client, slot, signal);
  await client.query('SELECT pg_drop_replication_slot($1)', [slot]).catch(async (error: unknown) => {
    if ((await readSlot(client, slot)) === undefined) return;
    const failure = queryError(error, `dropping the replication slot ${slot}`);
    throw new RahatError(failure.code, failure.message, {
      cause: error,
      hint: `Drop it on the server, or it will keep log until the disk is full: SELECT pg_drop_replication_slot('${slot}'); -- as a role with REPLICATION, e.g. after ALTER ROLE ${quoteIdentifier(connection.user)} REPLICATION;`,
    });
  });
  return true;
}
