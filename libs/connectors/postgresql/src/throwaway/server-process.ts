import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { endWithOwner } from './end-with-owner.js';
import { replayedSegment } from './replayed-segment.js';
import type { ServerAccount } from './server-account.js';
import type { ServerBinaries } from './server-binaries.js';

export interface Programs {
  binaries: ServerBinaries;
  account: ServerAccount | undefined;
  logFile: string;
  signal: AbortSignal;
}

/** Runs one of the server's programs to its end. */
export async function runServerProgram(programs: Programs, program: 'initdb' | 'postgres', argv: string[], input = ''): Promise<void> {
  const child = await start(programs, program, argv, 'pipe');
  child.stdin?.on('error', () => undefined); // EPIPE when it ends before reading: its exit code tells.
  child.stdin?.end(input);
  const abort = () => child.kill('SIGKILL');
  programs.signal.addEventListener('abort', abort, { once: true });
  try {
    const code = await new Promise<number | string>((done) => {
      child.once('error', (error) => done(error.message));
      child.once('close', (exit, killedBy) => done(exit ?? killedBy ?? 'unknown'));
    });
    if (programs.signal.aborted) throw cancelled(programs.signal);
    if (code !== 0) throw await failure(programs, `${program} of PostgreSQL ${programs.binaries.version} failed (${code})`);
  } finally {
    programs.signal.removeEventListener('abort', abort);
  }
}

/** How long a server may take to start. */
export interface Patience {
  /** Without a sign of life; to replay log is one, for as long as it goes on. */
  silenceMs: number;
  /** The segment that is replayed, once for each that is seen. */
  onReplay?(segment: string): void;
}

const LOOK_AT_REPLAY_MS = 500;

const FAST_SHUTDOWN_MS = 15_000;

/** A running server; `stop` is certain. */
export class ServerProcess {
  /** Resolves when it is gone, by whatever cause. */
  readonly gone: Promise<void>;
  /** It was told to. */
  ending = false;

  private constructor(private readonly child: ChildProcess) {
    this.gone = new Promise((done) => {
      child.once('error', () => done()); // A failed spawn shows as a missing pid.
      child.once('exit', () => done());
    });
  }

  static async start(programs: Programs, dataFolder: string, settings: string[], patience: Patience): Promise<ServerProcess> {
    return this.watched(programs, dataFolder, settings, (server) => server.waitUntil(() => server.isReady(dataFolder), programs, patience));
  }

  /** Of a server whose orders make it end by itself, in order: it is gone when this resolves. */
  static async runToEnd(programs: Programs, dataFolder: string, settings: string[], patience: Patience): Promise<void> {
    await this.watched(programs, dataFolder, settings, (server) => server.waitUntil(() => server.endedInOrder, programs, patience));
  }

  private static async watched(
    programs: Programs,
    dataFolder: string,
    settings: string[],
    wait: (server: ServerProcess) => Promise<void>,
  ): Promise<ServerProcess> {
    const child = await start(programs, 'postgres', ['-D', dataFolder, ...settings], 'ignore');
    const server = new ServerProcess(child);
    endWithOwner(child, programs.account);
    try {
      await wait(server);
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get ended(): boolean {
    return this.child.pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get endedInOrder(): boolean {
    return this.child.exitCode === 0;
  }

  /** The eighth line of postmaster.pid is the server's own word on its state (utils/pidfile.h). */
  private async isReady(dataFolder: string): Promise<boolean> {
    const lines = (await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    return Number(lines[0]) === this.child.pid && lines[7]?.trim() === 'ready';
  }

  private async waitUntil(there: () => boolean | Promise<boolean>, programs: Programs, { silenceMs, onReplay }: Patience): Promise<void> {
    const { version } = programs.binaries;
    let [movedAt, lookedAt, segment] = [Date.now(), Date.now(), ''];
    while (!(await there())) {
      if (programs.signal.aborted) throw cancelled(programs.signal);
      if (this.ended && !(await there())) throw await failure(programs, `PostgreSQL ${version} did not start`);
      if (Date.now() - lookedAt >= LOOK_AT_REPLAY_MS) {
        lookedAt = Date.now();
        const replayed = await replayedSegment(this.child.pid);
        if (replayed !== undefined && replayed !== segment) {
          [movedAt, segment] = [lookedAt, replayed];
          onReplay?.(segment);
        }
      }
      if (Date.now() - movedAt > silenceMs) {
        const stood = segment === '' ? '' : `, and stood at segment ${segment} of its log`;
        throw await failure(programs, `PostgreSQL ${version} was not ready after ${silenceMs / 1000} s${stood}`);
      }
      await sleep(40);
    }
  }

  /** Fast shutdown, then immediate, then kill; resolves when the process is gone. */
  async stop(fastMs = FAST_SHUTDOWN_MS): Promise<void> {
    this.ending = true;
    for (const [signal, graceMs] of [
      ['SIGINT', fastMs],
      ['SIGQUIT', 5_000],
      ['SIGKILL', 10_000],
    ] as const) {
      if (this.ended) return;
      this.child.kill(signal);
      const deadline = Date.now() + graceMs;
      while (!this.ended && Date.now() < deadline) await sleep(20);
    }
  }
}

async function start(programs: Programs, program: string, argv: string[], stdin: 'ignore' | 'pipe'): Promise<ChildProcess> {
  const log = await open(programs.logFile, 'a', 0o600);
  try {
    return spawn(join(programs.binaries.binFolder, program), argv, {
      cwd: '/',
      // Its own group: a Ctrl+C meant for us must not take the server away in the middle of a proof.
      detached: true,
      env: { ...programs.binaries.environment, PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: [stdin, log.fd, log.fd],
      ...programs.account,
    });
  } finally {
    await log.close();
  }
}

function cancelled(signal: AbortSignal): unknown {
  return signal.reason instanceof RahatError
    ? signal.reason
    : new RahatError('cancelled', 'The work was cancelled', { cause: signal.reason });
}

async function failure(programs: Programs, what: string): Promise<RahatError> {
  const log = await readFile(programs.logFile, 'utf8').catch(() => '');
  const telling = log.split('\n').filter((line) => /FATAL|PANIC|error|ERROR|invalid|unrecognized|could not|cannot/.test(line));
  return new RahatError('restore_failed', `${what}: ${telling.slice(-3).join(' · ').slice(-800) || 'no message'}`, {
    hint: 'The throwaway server was removed; nothing else was touched.',
  });
}
