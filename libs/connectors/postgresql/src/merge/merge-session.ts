import type pg from 'pg';
import type { Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';
import { queryError } from '../errors.js';
import { pinTextForms } from '../logical/copy-sum.js';
import type { RoutedConnection } from '../reach/index.js';
import type { LiveTable } from './live-tables.js';

const [LOCK_NOT_AVAILABLE, DEADLOCK, FOREIGN_KEY, UNIQUE, CHECK, EXCLUSION] = ['55P03', '40P01', '23503', '23505', '23514', '23P01'];

/** A session on the live database whose texts of values are the ones of a backup, and which waits for no lock longer than it is told. */
export async function connectToLive(
  connection: RoutedConnection,
  place: { database: string; label: string; lockWaitSeconds: number; lcMonetary?: string },
  job: Job,
): Promise<DisposableClient> {
  const client = await connectClient(connection, { database: place.database, label: place.label, signal: job.signal });
  try {
    if (place.lcMonetary !== undefined)
      await client.query("SELECT pg_catalog.set_config('lc_monetary', $1, false)", [place.lcMonetary]).catch(() => undefined);
    await pinTextForms(client, 'UTF8');
    await client.query(
      "SELECT pg_catalog.set_config('standard_conforming_strings', 'on', false), pg_catalog.set_config('lock_timeout', $1, false), pg_catalog.set_config('default_transaction_read_only', 'off', false)",
      [`${place.lockWaitSeconds}s`],
    );
    return client;
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw queryError(error, 'preparing the session');
  }
}

/** Others may read the tables meanwhile, and not write to them. */
export async function lockTables(client: pg.Client, tables: readonly Pick<LiveTable, 'sqlName'>[]): Promise<void> {
  if (tables.length === 0) return;
  const names = [...new Set(tables.map(({ sqlName }) => `ONLY ${sqlName}`))].sort();
  await client.query(`LOCK TABLE ${names.join(', ')} IN SHARE ROW EXCLUSIVE MODE`);
}

/** Whatever ends it, the transaction is rolled back: nothing was changed. */
export function mergeError(error: unknown, doing: string): RahatError {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  if (code === LOCK_NOT_AVAILABLE || code === DEADLOCK)
    return new RahatError('restore_locked', `Another session holds a lock that ${doing} needs; nothing was changed: ${message}`, {
      hint: 'See who it is: SELECT pid, state, xact_start, application_name FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start; run it again when they have ended.',
      cause: error,
    });
  if (code === FOREIGN_KEY)
    return new RahatError('restore_refused', `A row would refer to one that isn't there; nothing was changed: ${message}`, {
      hint: 'Choose the table that it refers to as well.',
      cause: error,
    });
  if (code === UNIQUE || code === EXCLUSION || code === CHECK)
    return new RahatError('restore_refused', `A row would break a constraint of its table; nothing was changed: ${message}`, {
      hint: 'Rows that came after the backup are in the way; restore with --conflict replace, or under another name.',
      cause: error,
    });
  return queryError(error, doing);
}
