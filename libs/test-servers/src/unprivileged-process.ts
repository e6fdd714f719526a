import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface UnprivilegedUser {
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root: then it gets the user `postgres`, or `nobody` where that doesn't exist. */
export function unprivilegedUser(): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (!found) throw new Error('PostgreSQL needs a user other than root, and there is neither `postgres` nor `nobody` in /etc/passwd.');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

// Test servers must not outlive a test process that was killed: the kernel sends them `pdeathsig` then.
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file));

/** Starts a server under the unprivileged user, out of the terminal's process group. */
export function startServerProcess(
  command: string,
  args: string[],
  options: { cwd: string; stdio: StdioOptions; as?: UnprivilegedUser },
): ChildProcess {
  const user = options.as;
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  if (!SETPRIV) return spawn(command, args, { cwd: options.cwd, stdio: options.stdio, env, detached: true, ...user });
  const identity = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : [];
  return spawn(SETPRIV, ['--pdeathsig', 'KILL', ...identity, '--', command, ...args], {
    cwd: options.cwd,
    stdio: options.stdio,
    env,
    detached: true,
  });
}

/** kill -9; resolves when the server is gone. One that has ended, or was never started, is gone already. */
export async function killServerProcess(server: ChildProcess | undefined): Promise<void> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  server.kill('SIGKILL');
  await exited;
}

/** Runs a short command under the unprivileged user; throws with what it printed when it fails. */
export function runCommand(command: string, args: string[], options: { cwd: string; as?: UnprivilegedUser }): void {
  const result = spawnSync(command, args, {
    cwd: options.cwd,
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    ...options.as,
  });
  if (result.error)
    throw new Error(
      `${command} could not be run (as uid ${options.as?.uid ?? 'own'}): ${result.error.message}. Is the folder readable for that user?`,
    );
  if (result.status !== 0) throw new Error(`${command} failed with ${result.signal ?? result.status}:\n${result.stdout}${result.stderr}`);
}
