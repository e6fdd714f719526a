import type pg from 'pg';
import type { Finding } from '@rahat/contracts';
import { connectClient, type ConnectOptions } from '../connect.js';
import type { RoutedConnection } from '../reach/index.js';

/** A pooler in transaction mode gives a server session away while its client is still connected: a second client meets it. */
export async function poolerFindings(client: pg.Client, connection: RoutedConnection, options: ConnectOptions): Promise<Finding[]> {
  const own = await backendPid(client);
  if ((client as unknown as { processID: number }).processID === own) return [];
  await using second = await connectClient(connection, options);
  await second.query('BEGIN');
  const shared = (await backendPid(second)) === own;
  return [
    {
      code: shared ? 'pooler_transaction_mode' : 'pooler',
      severity: shared ? 'blocker' : 'warning',
      message: shared
        ? 'The connection goes through a pooler in transaction mode, which breaks snapshots.'
        : 'The connection goes through a pooler.',
      fix: 'Give the address and port of the database server itself.',
    },
  ];
}

async function backendPid(client: pg.Client): Promise<number | undefined> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
}
