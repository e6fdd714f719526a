import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { RahatError } from '@rahat/contracts';

/** Of `global/pg_control`: where `ControlFileData` (catalog/pg_control.h) has them, the same from version 13 to 18 on 64-bit systems. */
const VERSION_AT = 8;
const VERSIONS = { first: 1300, last: 1800 };
const LIMITS_AT = {
  max_connections: 180,
  max_worker_processes: 184,
  max_wal_senders: 188,
  max_prepared_transactions: 192,
  max_locks_per_transaction: 196,
};

export type ReplayedLimits = Record<keyof typeof LIMITS_AT, number>;

/**
 * The source's limits, as far as its log was replayed: a server that is read while it recovers refuses to have less of any of these,
 * because it has to hold what its source held.
 */
export async function replayedLimits(dataFolder: string): Promise<ReplayedLimits> {
  const bytes = Buffer.alloc(200);
  const file = await open(join(dataFolder, 'global', 'pg_control'));
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0).finally(() => file.close());
  const version = bytes.readUInt32LE(VERSION_AT);
  const entries = Object.entries(LIMITS_AT).map(([name, at]) => [name, bytes.readInt32LE(at)] as const);
  // The server's own upper limit of each is far below; the least of them may be 0.
  const sane = entries.every(([, value]) => value >= 0 && value < 0x4000000);
  if (bytesRead < bytes.length || version < VERSIONS.first || version > VERSIONS.last || !sane)
    throw new RahatError('restore_failed', `The control file of ${dataFolder} cannot be understood (version ${version})`);
  return Object.fromEntries(entries) as ReplayedLimits;
}
