import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, openSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from './free-port.js';
import { MissingPart, runsWith } from './missing-part.js';
import { killServerProcess, startServerProcess } from './unprivileged-process.js';

/**
 * Two makes that differ where it matters. `moto` keeps If-None-Match and object lock, and takes any key. `rclone` keeps its
 * objects as files of a folder, checks signatures, and ignores If-None-Match.
 */
export type S3Make = 'moto' | 'rclone';

export interface S3Server extends AsyncDisposable {
  readonly make: S3Make;
  readonly endpoint: string;
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  createBucket(name: string, options?: { objectLock?: boolean }): Promise<void>;
  /** SIGKILL. moto loses everything with it, rclone keeps its folder. */
  kill9(): Promise<void>;
  /** On the same port. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_DEADLINE_MS = 30_000;
/** Where the set-up of `npm test` puts both. */
const BINARIES = '/var/cache/rahat-backup/s3/bin';
const PROGRAMS: Record<S3Make, string> = { moto: path.join(BINARIES, 'moto_server'), rclone: path.join(BINARIES, 'rclone') };

/** For `(hasS3('moto') ? describe : describe.skip)(…)`. */
export function hasS3(make: S3Make): boolean {
  return runsWith(`The S3 server ${make}`, existsSync(PROGRAMS[make]));
}

/** Starts an empty server on a free port of 127.0.0.1; disposing stops it and removes its data. */
export async function startS3(make: S3Make): Promise<S3Server> {
  if (!existsSync(PROGRAMS[make])) throw new MissingPart(`The S3 server ${make}`);
  const home = mkdtempSync(path.join(tmpdir(), `rahat-s3-${make}-`));
  const data = path.join(home, 'data');
  mkdirSync(data);
  const logFile = path.join(home, 'log');
  const accessKeyId = randomBytes(8).toString('hex');
  const secretAccessKey = randomBytes(20).toString('hex');
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const [command, ...args] = commandLine(make, { port, data, key: `${accessKeyId},${secretAccessKey}` });
    const log = openSync(logFile, 'a');
    const started = startServerProcess(command, args, { cwd: home, stdio: ['ignore', log, log] });
    closeSync(log);
    server = started;
    const deadline = Date.now() + START_DEADLINE_MS;
    while (!(await answers(endpoint))) {
      if (started.exitCode !== null || started.signalCode !== null || Date.now() > deadline) {
        started.kill('SIGKILL');
        throw new Error(`The S3 server ${make} did not start:\n${readFileSync(logFile, 'utf8')}`);
      }
      await sleep(50);
    }
  }

  async function kill9(): Promise<void> {
    const running = server;
    server = undefined;
    await killServerProcess(running);
  }

  await start();
  return {
    make,
    endpoint,
    port,
    accessKeyId,
    secretAccessKey,
    createBucket: async (Bucket, { objectLock } = {}) => {
      const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
      try {
        await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: objectLock }));
      } finally {
        client.destroy();
      }
    },
    kill9,
    restart: async () => {
      await kill9();
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await kill9();
      rmSync(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function commandLine(make: S3Make, { port, data, key }: { port: number; data: string; key: string }): [string, ...string[]] {
  // moto's own starter names the folder that its environment was made in, which was another one.
  if (make === 'moto') return [path.join(BINARIES, 'python3'), '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];
  return [PROGRAMS.rclone, 'serve', 's3', '--config', '', '--addr', `127.0.0.1:${port}`, '--auth-key', key, data];
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    await (await fetch(endpoint, { signal: AbortSignal.timeout(2_000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
