import type { Finding, PostgresqlConnection } from '@rahat/contracts';
import { RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError } from '../errors.js';
import { WalsenderClient } from '../physical/walsender-client.js';
import { physicalFindings, readRights, versionFindings } from '../preflight.js';

/** What stands in the way of following a server's log, or makes it dangerous for the server. */
export async function followFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  const findings = await settingFindings(connection, signal);
  if (findings.some(({ severity }) => severity === 'blocker')) return findings;
  return [...findings, ...(await entryFindings(connection, signal))];
}

async function settingFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  await using client = await connectClient(connection, { database: connection.maintenanceDatabase, label: 'rahat-preflight', signal });
  try {
    const rights = await readRights(client);
    const { rows } = await client.query<{ slots: number; used: number; senders: number; busy: number; keep: string }>(`
      SELECT current_setting('max_replication_slots')::int AS slots, (SELECT count(*)::int FROM pg_replication_slots) AS used,
             current_setting('max_wal_senders')::int AS senders, (SELECT count(*)::int FROM pg_stat_replication) AS busy,
             current_setting('max_slot_wal_keep_size') AS keep`);
    const findings = [...versionFindings(rights), ...physicalFindings(rights)];
    const [room] = rows;
    if (!room) return findings;
    if (room.used >= room.slots)
      findings.push({
        code: 'replication_slots_none',
        severity: room.slots === 0 ? 'blocker' : 'warning',
        message: `The server has no free replication slot: ${room.used} of ${room.slots} are used.`,
        fix: `ALTER SYSTEM SET max_replication_slots = ${room.slots + 5}; -- then restart the server`,
      });
    if (room.senders > 0 && room.busy >= room.senders)
      findings.push({
        code: 'wal_senders_busy',
        severity: 'warning',
        message: `All ${room.senders} replication connections of the server are in use.`,
        fix: `ALTER SYSTEM SET max_wal_senders = ${room.senders + 5}; -- then restart the server`,
      });
    if (room.keep === '-1')
      findings.push({
        code: 'slot_keeps_without_limit',
        severity: 'warning',
        message: 'While nobody takes the log off, the server keeps all of it for the slot, until its disk is full.',
        fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; -- what the disk can spare, then SELECT pg_reload_conf(); beyond it the stream gets a gap, and a new base backup",
      });
    return findings;
  } catch (error) {
    throw queryError(error, 'the preflight');
  }
}

/**
 * Rights and settings can be read; whether pg_hba.conf lets us in for replication is known by trying.
 * A server that just went away is no finding: a blocker would end the run, where its next attempt may succeed.
 */
async function entryFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  try {
    await using client = await WalsenderClient.connect(connection, 'rahat-preflight', signal);
    await client.identifySystem();
    return [];
  } catch (error) {
    const { code, message, hint, retryable } = RahatError.from(error);
    if (code === 'cancelled' || retryable) throw error;
    return [{ code: 'replication_entry_missing', severity: 'blocker', message, fix: hint }];
  }
}
