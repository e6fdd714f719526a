import { randomBytes } from 'node:crypto';
import pg from 'pg';

interface Socket {
  socketFolder: string;
  port: number;
}

/**
 * Gives the name of a role that may read everything in a restored server. Who its superuser is cannot be known from
 * outside, so when `postgres` is not one, a role is made in single-user mode, which needs none.
 */
export async function ensureSuperuser(socket: () => Socket, runSingleUser: (statement: string) => Promise<void>): Promise<string> {
  if (await isSuperuser(socket(), 'postgres')) return 'postgres';
  const name = `rhb_t_${randomBytes(6).toString('hex')}`;
  await runSingleUser(`CREATE ROLE ${name} SUPERUSER LOGIN`);
  return name;
}

async function isSuperuser({ socketFolder, port }: Socket, user: string): Promise<boolean> {
  const client = new pg.Client({ host: socketFolder, port, user, database: 'template1', connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // Told by the query's rejection.
  try {
    await client.connect();
    const { rows } = await client.query<{ rolsuper: boolean }>('SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user');
    return rows[0]?.rolsuper === true;
  } catch (error) {
    // 28000: no such role, or it may not log in.
    if (error instanceof pg.DatabaseError && error.code?.startsWith('28')) return false;
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}
