import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findPgClients, type PostgresqlServer } from '@rahat/test-servers';

/** As an administrator would: with psql, in one go. */
export async function runScript(server: PostgresqlServer, script: string): Promise<void> {
  const run = promisify(execFile)(findPgClients(15)!.psql, ['-X', '-q', '-d', server.connectionString(), '-f', '-'], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', PGCLIENTENCODING: 'UTF8' },
  });
  run.child.stdin!.end(script);
  await run;
}
