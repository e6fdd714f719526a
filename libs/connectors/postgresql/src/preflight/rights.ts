import type pg from 'pg';
import { RahatError } from '@rahat/contracts';

/** Who we are on a server, and what it is. */
export interface Rights {
  user: string;
  major: number;
  version: string;
  superuser: boolean;
  replication: boolean;
  bypassRls: boolean;
  recovery: boolean;
  walLevel: string;
  maxWalSenders: number;
  /** Null before PostgreSQL 17, which can't. */
  summarizeWal: 'on' | 'off' | null;
}

export async function readRights(client: pg.Client): Promise<Rights> {
  const { rows } = await client.query<Rights>(`
    SELECT rolname::text AS user, current_setting('server_version_num')::int / 10000 AS major, current_setting('server_version') AS version,
           rolsuper AS superuser, rolsuper OR rolreplication AS replication, rolsuper OR rolbypassrls AS "bypassRls", pg_is_in_recovery() AS recovery,
           current_setting('wal_level') AS "walLevel", current_setting('max_wal_senders')::int AS "maxWalSenders",
           current_setting('summarize_wal', true) AS "summarizeWal" FROM pg_roles WHERE rolname = current_user`);
  if (!rows[0]) throw new RahatError('internal', 'The server does not know its own user');
  return rows[0];
}
