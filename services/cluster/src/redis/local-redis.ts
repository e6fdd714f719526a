import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { becameOf, nextFreePort, openForAppending, readOrMakePassword, tiedToUs, type DataFolder } from '@rahat/installation';

export interface LocalRedis {
  version: string;
  port: number;
  url: string;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 30_000;
const REVIVE_PAUSE_MS = 500;

/** A Redis of our own from the machine's redis-server, with its data in the data folder; started again when it dies. */
export async function openLocalRedis(folder: DataFolder, firstPort: number, onDeath: (words: string) => void): Promise<LocalRedis> {
  const version = installedVersion();
  const data = path.join(folder.root, 'redis');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const password = readOrMakePassword(path.join(folder.keys, 'redis-password'));
  const port = await nextFreePort(firstPort, HOST);
  const logFile = path.join(folder.logs, 'redis.log');
  const stopping = new AbortController();
  let server: ChildProcess;

  const start = async (): Promise<void> => {
    server = launch(data, port, password, logFile);
    for (const deadline = Date.now() + START_LIMIT_MS; !(await answers(port, password)); await sleep(50)) {
      if (!becameOf(server) && Date.now() < deadline) continue;
      throw new RahatError('unavailable', `redis-server did not start: it ${becameOf(server) ?? 'does not answer'}`, {
        hint: `Its log is ${logFile}.`,
      });
    }
    server.once('exit', () => void revive());
    // It may have died in between.
    if (becameOf(server)) void revive();
  };
  const revive = async (): Promise<void> => {
    if (stopping.signal.aborted) return;
    onDeath(`Redis ${becameOf(server)}; it is started again`);
    while (!stopping.signal.aborted) {
      try {
        return await start();
      } catch {
        await sleep(REVIVE_PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };

  await start();
  return {
    version,
    port,
    url: `redis://:${encodeURIComponent(password)}@${HOST}:${port}`,
    async stop() {
      stopping.abort();
      if (becameOf(server)) return;
      const exited = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      const timer = setTimeout(() => server.kill('SIGKILL'), STOP_LIMIT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

function installedVersion(): string {
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  const version = /v=(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1];
  if (version) return version;
  throw new RahatError('configuration_invalid', 'The cluster needs Redis for its queues, and this machine has no redis-server', {
    hint: 'Install it (Debian: apt install redis-server), set REDIS_URL to one of your own, or set RAHAT_QUEUES=postgresql to do without.',
  });
}

/** The configuration comes by standard input: a password among the arguments could be read by everyone. */
function launch(data: string, port: number, password: string, logFile: string): ChildProcess {
  const log = openForAppending(logFile);
  const program = tiedToUs('redis-server', ['-'], 'TERM');
  try {
    const server = spawn(program.command, program.args, {
      cwd: data,
      stdio: ['pipe', log, log],
      detached: true,
      env: { PATH: process.env['PATH'] },
    });
    server.on('error', () => undefined);
    server.stdin!.on('error', () => undefined);
    // BullMQ demands that nothing is evicted; what is written survives a restart.
    server.stdin!.end(
      [
        `bind ${HOST}`,
        `port ${port}`,
        `dir ${JSON.stringify(data)}`,
        `requirepass ${password}`,
        'save ""',
        'appendonly yes',
        'maxmemory-policy noeviction',
        '',
      ].join('\n'),
    );
    return server;
  } finally {
    closeSync(log);
  }
}

function answers(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString();
      if (text.includes('+PONG')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(text.includes('+PONG')));
  });
}
