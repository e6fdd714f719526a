import type pg from 'pg';
import { type Finding, RahatError } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import { WalsenderClient } from '../physical/walsender-client.js';
import type { RoutedConnection } from '../reach/index.js';
import { type CurableFinding, cured, setting } from './cured.js';

/** What a replication slot and its connection need of the server. */
export async function replicationRoomFindings(client: pg.Client): Promise<CurableFinding[]> {
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
