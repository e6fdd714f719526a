import type { FollowRequest } from '@rahat/connector-kit';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { serverNotice } from '../physical/protocol/server-errors.js';
import type { WalsenderClient } from '../physical/walsender-client.js';
import { isLost, readSlot, releaseSlot } from './replication-slot.js';

/** The slot exists, is nobody else's, and keeps log from now on. */
export async function prepareSlot(
  connection: PostgresqlConnection,
  walsender: WalsenderClient,
  { slot, label }: FollowRequest,
  /** The process of the server that streamed to us before. */
  heldBy: number | undefined,
  signal: AbortSignal,
): Promise<{ restartLsn: string; standby: boolean; made: boolean }> {
  await using client = await connectClient(connection, { database: connection.maintenanceDatabase, label, signal });
  const standby = (await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')).rows[0]?.standby === true;
  let found = await readSlot(client, slot);
  if (found?.activePid !== undefined && heldBy !== undefined && found.activePid !== heldBy)
    throw new RahatError('log_slot_in_use', `The replication slot ${slot} is in use by process ${found.activePid} of the server`);
  if (found?.activePid !== undefined) await releaseSlot(client, slot, signal);
  let made = false;
  if (found && isLost(found)) {
    await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
    found = undefined;
  }
  if (!found) {
    made = true;
    await walsender.query(`CREATE_REPLICATION_SLOT ${slot} PHYSICAL RESERVE_WAL`).catch((error: unknown) => {
      if (serverNotice(error)?.code !== '42710') throw error;
    });
    found = await readSlot(client, slot);
  }
  if (!found?.restartLsn)
    throw new RahatError('source_unsupported', `The server made the replication slot ${slot}, and keeps no log for it`, {
      retryable: true,
    });
  return { restartLsn: found.restartLsn, standby, made };
}
