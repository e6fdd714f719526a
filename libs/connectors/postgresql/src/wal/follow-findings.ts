import type pg from 'pg';
import { type Finding, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError, quoteIdentifier } from '../errors.js';
import { WalsenderClient } from '../physical/walsender-client.js';
import { type CurableFinding, cured, setting } from '../preflight/cured.js';
import { readManagedServer } from '../preflight/managed-server.js';
import { physicalFindings } from '../preflight/physical-findings.js';
import { readRights } from '../preflight/rights.js';
import { versionFindings } from '../preflight/version-findings.js';
import type { RoutedConnection } from '../reach/index.js';

/** What stands in the way of following a server's log, or makes it dangerous for the server. */
export async function followFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  const findings = await settingFindings(connection, signal);
  if (findings.some(({ severity }) => severity === 'blocker')) return findings;
  return [...findings, ...(await replicationEntryFindings(connection, signal))];
}

async function settingFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  await using client = await connectClient(connection, { database: connection.maintenanceDatabase, label: 'rahat-preflight', signal });
  try {
    const rights = await readRights(client);
    const managed = await readManagedServer(client, rights);
    const findings = [...versionFindings(rights), ...physicalFindings(rights, managed)];
    return managed ? findings : [...findings, ...(await slotFindings(client))];
  } catch (error) {
    throw queryError(error, 'the preflight');
  }
}

/** What a replication slot and its connection need of the server. */
export async function slotFindings(client: pg.Client): Promise<CurableFinding[]> {
  const { rows } = await client.query<{ slots: number; used: number; senders: number; busy: number; keep: string }>(`
    SELECT current_setting('max_replication_slots')::int AS slots, (SELECT count(*)::int FROM pg_replication_slots) AS used,
           current_setting('max_wal_senders')::int AS senders, (SELECT count(*)::int FROM pg_stat_replication) AS busy,
           current_setting('max_slot_wal_keep_size') AS keep`);
  const [room] = rows;
  const findings: CurableFinding[] = [];
  if (!room) return findings;
  if (room.used >= room.slots)
    findings.push(
      cured(
        {
          code: 'replication_slots_none',
          severity: room.slots === 0 ? 'blocker' : 'warning',
          message: `The server has no free replication slot: ${room.used} of ${room.slots} are used.`,
        },
        setting('max_replication_slots', String(room.slots + 5), 'restart'),
      ),
    );
  if (room.senders > 0 && room.busy >= room.senders)
    findings.push(
      cured(
        {
          code: 'wal_senders_busy',
          severity: 'warning',
          message: `All ${room.senders} replication connections of the server are in use.`,
        },
        setting('max_wal_senders', String(room.senders + 5), 'restart'),
      ),
    );
  if (room.keep === '-1')
    findings.push(
      cured(
        {
          code: 'slot_keeps_without_limit',
          severity: 'warning',
          message: 'While nobody takes the log off, the server keeps all of it for the slot, until its disk is full.',
        },
        setting('max_slot_wal_keep_size', "'50GB'", 'reload'),
        'what the disk can spare; beyond it the stream gets a gap, and a new base backup',
      ),
    );
  return findings;
}

/**
 * Rights and settings can be read; whether pg_hba.conf lets us in for replication is known by trying.
 * A server that just went away is no finding: a blocker would end the run, where its next attempt may succeed.
 */
export async function replicationEntryFindings(connection: RoutedConnection, signal: AbortSignal): Promise<Finding[]> {
  try {
    await using client = await WalsenderClient.connect(connection, 'rahat-preflight', signal);
    await client.identifySystem();
    return [];
  } catch (error) {
    const { code, message, hint, retryable } = RahatError.from(error);
    if (code === 'cancelled' || retryable) throw error;
    const line = `host replication ${quoteIdentifier(connection.user)} <address of the worker>/32 scram-sha-256`;
    const fix = [hint, `A line for pg_hba.conf: ${line}`].filter((part) => part !== undefined).join(' ');
    return [{ code: 'replication_entry_missing', severity: 'blocker', message, fix }];
  }
}
