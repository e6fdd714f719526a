import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import pg from 'pg';
import { isAlive } from '../data-folder/process-identity.js';
import { nextFreePort } from '../console/listening-port.js';
import { becameOf, tiedToUs } from '../processes/child-program.js';
import { SUPERUSER } from './cluster.js';
import type { ServerAccount } from './server-account.js';
import type { ServerPrograms } from './server-programs.js';

export interface EmbeddedServer {
  port: number;
  version: string;
  /** With the superuser's password: for provisioning and for nothing else. */
  adminUrl: string;
  stop(): Promise<void>;
}

export interface EmbeddedServerPlace {
  cluster: string;
  logFile: string;
  password: string;
  wantedPort: number;
  programs: ServerPrograms;
  account: ServerAccount | undefined;
  /** Told when the server died by itself. */
  onDeath?: (words: string) => void;
}

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 60_000;
const LEAVE_DEADLINE_MS = 2_000;
const REVIVE_PAUSE_MS = 100;
const LONGEST_REVIVE_PAUSE_MS = 5_000;
const SETTINGS = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  wal_level: 'replica',
  max_wal_senders: '8',
  max_connections: '200',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  log_line_prefix: '%m [%p] %q%u@%d ',
};

/**
 * Starts the server on the wanted port or the next free one; one that a killed instance left running is ended first.
 * When it dies it is started again on the same port, until `stop`.
 */
export async function startEmbeddedServer(place: EmbeddedServerPlace): Promise<EmbeddedServer> {
  await endLeftover(place.cluster);
  const { port, server: first } = await launchOnFreePort(place);
  let server = first;
  const stopping = new AbortController();
  let reviving: Promise<void> | undefined;
  const watch = (): void => {
    server.once('exit', () => {
      if (!stopping.signal.aborted) reviving = revive().finally(() => (reviving = undefined));
    });
  };
  const revive = async (): Promise<void> => {
    place.onDeath?.(`PostgreSQL ${becameOf(server)}; it is started again`);
    for (let pauseMs = REVIVE_PAUSE_MS; !stopping.signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_REVIVE_PAUSE_MS)) {
      await endLeftover(place.cluster);
      server = launch(place, port);
      try {
        await untilReady(server, port, place.password);
        watch();
        return;
      } catch {
        server.kill('SIGQUIT');
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };
  watch();
  return {
    port,
    version: place.programs.version,
    adminUrl: `postgresql://${SUPERUSER}:${encodeURIComponent(place.password)}@${HOST}:${port}/postgres`,
    stop: async () => {
      stopping.abort();
      await reviving;
      await untilClientsLeft(port, place.password);
      await end(server);
    },
  };
}

async function launchOnFreePort(place: EmbeddedServerPlace): Promise<{ port: number; server: ChildProcess }> {
  for (let wanted = place.wantedPort; ; wanted++) {
    const port = await nextFreePort(wanted, HOST);
    const logStart = existsSync(place.logFile) ? readFileSync(place.logFile).length : 0;
    const server = launch(place, port);
    try {
      await untilReady(server, port, place.password);
      return { port, server };
    } catch (cause) {
      server.kill('SIGQUIT');
      const log = readFileSync(place.logFile).subarray(logStart).toString();
      // Somebody may take the port between the look and the bind.
      if (log.includes('Address already in use') && wanted < place.wantedPort + 10) continue;
      throw new RahatError('unavailable', `The embedded PostgreSQL did not start: ${fatalLine(log) ?? (cause as Error).message}`, {
        hint: `Its log is ${place.logFile}.`,
        cause,
      });
    }
  }
}

/** Out of the terminal's process group: Ctrl+C must reach the platform alone, which stops PostgreSQL last. */
function launch(place: EmbeddedServerPlace, port: number): ChildProcess {
  const log = openSync(place.logFile, 'a', 0o600);
  const args = [
    '-D',
    place.cluster,
    '-p',
    String(port),
    ...Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const options = {
    cwd: place.cluster,
    stdio: ['ignore' as const, log, log],
    detached: true,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  };
  try {
    const { account } = place;
    const identity = account ? [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'] : [];
    const program = tiedToUs(place.programs.postgres, args, 'INT', identity);
    return spawn(program.command, program.args, { ...options, ...(account && !program.tied && { uid: account.uid, gid: account.gid }) });
  } finally {
    closeSync(log);
  }
}

async function untilReady(server: ChildProcess, port: number, password: string): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    if (server.exitCode !== null || server.signalCode !== null) throw new Error(`it ended with ${server.signalCode ?? server.exitCode}`);
    const client = new pg.Client({ host: HOST, port, user: SUPERUSER, password, database: 'postgres', connectionTimeoutMillis: 5000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return;
    } catch (error) {
      // 28P01: it runs, and the password in keys/ isn't its own; waiting won't help.
      if ((error as { code?: string }).code === '28P01' || Date.now() > deadline) throw error;
      await sleep(25);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** A pool that says it is closed may still be saying goodbye; who is cut off at that raises an alarm in the log. */
async function untilClientsLeft(port: number, password: string): Promise<void> {
  const client = new pg.Client({
    host: HOST,
    port,
    user: SUPERUSER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: LEAVE_DEADLINE_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const others = `SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
    for (const deadline = Date.now() + LEAVE_DEADLINE_MS; Date.now() < deadline; await sleep(20)) {
      if (!(await client.query(others)).rowCount) return;
    }
  } catch {
    // It is going down already.
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  server.kill('SIGINT');
  const timer = setTimeout(() => server.kill('SIGQUIT'), STOP_DEADLINE_MS);
  await exited;
  clearTimeout(timer);
}

/** postmaster.pid of an instance that was killed: its server is ended if it still runs, the file removed if it doesn't. */
async function endLeftover(cluster: string): Promise<void> {
  const pidFile = path.join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  if (pid > 0 && isServerOf(pid, cluster)) {
    signalIfAlive(pid, 'SIGINT');
    const deadline = Date.now() + STOP_DEADLINE_MS;
    while (isServerOf(pid, cluster)) {
      if (Date.now() > deadline) signalIfAlive(pid, 'SIGQUIT');
      await sleep(100);
    }
  }
  rmSync(pidFile, { force: true });
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isServerOf(pid: number, cluster: string): boolean {
  if (!isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster);
  } catch {
    return false;
  }
}

function fatalLine(log: string): string | undefined {
  return log
    .split('\n')
    .findLast((line) => /FATAL|PANIC/.test(line))
    ?.replace(/^.*(?:FATAL|PANIC):\s*/, '');
}
