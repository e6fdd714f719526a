import { execFileSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { MissingPart, runsWith } from './missing-part.js';
import { childrenOf, killIfAlive } from './process-children.js';
import { killServerProcess, runCommand, startServerProcess } from './unprivileged-process.js';

export interface SshServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** As `ssh-keygen -lf` prints it. */
  readonly hostKey: string;
  /** Of the one key that lets in. */
  readonly privateKey: string;
  /** An unknown key of the same kind. */
  readonly strangersKey: string;
  /** Ends it with all connections that go through it. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const SSHD = '/usr/sbin/sshd';
const START_DEADLINE_MS = 10_000;

export function hasSshd(): boolean {
  return runsWith('openssh-server', existsSync(SSHD));
}

/** Starts an SSH server on a free port of 127.0.0.1 that forwards and does nothing else. `forwards: false` refuses that, too. */
export async function startSsh({ forwards = true }: { forwards?: boolean } = {}): Promise<SshServer> {
  if (!existsSync(SSHD)) throw new MissingPart('openssh-server');
  const home = mkdtempSync(path.join(tmpdir(), 'rahat-ssh-'));
  const file = (name: string) => path.join(home, name);
  for (const name of ['host', 'client', 'stranger'])
    runCommand('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)], { cwd: home });
  const user = userInfo().username;
  const port = await freePort();
  writeFileSync(
    file('config'),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('client.pub')}`,
      `AllowTcpForwarding ${forwards ? 'yes' : 'no'}`,
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      // The temporary folder is writable for all.
      'StrictModes no',
      'PidFile none',
      '',
    ].join('\n'),
  );
  // Where sshd gives its privileges up, when started by root.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const server: ChildProcess = startServerProcess(SSHD, ['-D', '-f', file('config'), '-E', file('log')], { cwd: home, stdio: 'ignore' });
  // Each connection is a process of its own, in a session of its own.
  const stop = async () => {
    const connections = childrenOf(server.pid!);
    await killServerProcess(server);
    for (const connection of connections) for (const process of [...childrenOf(connection), connection]) killIfAlive(process);
  };
  const deadline = Date.now() + START_DEADLINE_MS;
  while (!(await listens(port))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      const log = existsSync(file('log')) ? readFileSync(file('log'), 'utf8') : '';
      await stop();
      rmSync(home, { recursive: true, force: true });
      throw new Error(`sshd did not start on port ${port}:\n${log}`);
    }
    await sleep(20);
  }
  return {
    host: '127.0.0.1',
    port,
    user,
    hostKey: fingerprintOf(file('host.pub')),
    privateKey: readFileSync(file('client'), 'utf8'),
    strangersKey: readFileSync(file('stranger'), 'utf8'),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function fingerprintOf(publicKey: string): string {
  return /SHA256:\S+/.exec(execFileSync('/usr/bin/ssh-keygen', ['-lf', publicKey], { encoding: 'utf8' }))?.[0] ?? '';
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
