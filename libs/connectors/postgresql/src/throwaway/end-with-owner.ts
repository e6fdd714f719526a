import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { ServerAccount } from './server-account.js';

/** Waits for the end of its input, which only our own end brings. SIGQUIT is the shutdown in which a server also ends all its own processes. */
const WATCH = 'read -r _; kill -QUIT "$1"';

/**
 * A server that nobody needs any more would run on when we are killed, and nothing that we could do would be done: a process of its own
 * ends it then. Without one (no shell) it is left to whoever clears the leftovers away.
 */
export function endWithOwner(server: ChildProcess, account: ServerAccount | undefined): void {
  if (server.pid === undefined) return;
  const watch = spawn('/bin/sh', ['-c', WATCH, 'sh', String(server.pid)], {
    cwd: '/',
    // Its own group, as the server's.
    detached: true,
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    ...account,
  });
  watch.once('error', () => undefined);
  watch.stdin.once('error', () => undefined);
  // It must not keep us alive.
  watch.unref();
  (watch.stdin as Socket).unref();
  server.once('exit', () => watch.kill('SIGKILL'));
}
