import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { MissingPart, runsWith } from './missing-part.js';
import { killServerProcess, startServerProcess } from './unprivileged-process.js';

export interface RedisServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Ends it with all its data lost, as Redis may at any moment (design.md §5). */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** Comes back empty, on the same port. */
  restart(): Promise<void>;
}

const START_DEADLINE_MS = 10_000;

export function hasRedis(): boolean {
  return runsWith('redis-server', binary() !== undefined);
}

/** Starts a Redis without persistence on a free port of 127.0.0.1, with a password. */
export async function startRedis(): Promise<RedisServer> {
  const command = binary();
  if (!command) throw new MissingPart('redis-server');
  const home = mkdtempSync(path.join(tmpdir(), 'rahat-redis-'));
  const password = randomBytes(18).toString('base64url');
  const port = await freePort();
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const args = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      home,
      '--save',
      '',
      '--appendonly',
      'no',
      '--requirepass',
      password,
    ];
    const started = startServerProcess(command!, args, { cwd: home, stdio: 'ignore' });
    server = started;
    const deadline = Date.now() + START_DEADLINE_MS;
    while (!(await answers(port, password))) {
      if (started.exitCode !== null || Date.now() > deadline) throw new Error(`redis-server did not start on port ${port}`);
      await sleep(20);
    }
  }

  async function stop(): Promise<void> {
    const running = server;
    server = undefined;
    await killServerProcess(running);
  }

  await start();
  return {
    host: '127.0.0.1',
    port,
    url: `redis://:${password}@127.0.0.1:${port}`,
    stop,
    restart: async () => {
      await stop();
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function binary(): string | undefined {
  return ['/usr/bin/redis-server', '/usr/local/bin/redis-server', '/usr/bin/valkey-server'].find((file) => existsSync(file));
}

function answers(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    let received = '';
    socket.on('data', (bytes) => {
      received += bytes.toString();
      if (received.includes('+PONG')) settle(true);
      if (received.includes('-')) settle(false);
    });
    socket.on('error', () => settle(false));
    socket.on('close', () => resolve(false));
  });
}
