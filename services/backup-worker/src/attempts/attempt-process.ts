import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AttemptResult, type LogPushOrder, RahatError, type RunSecrets, type RunSpec } from '@rahat/contracts';
import { type ExecutionProgress, runProcess, type TellFound } from '@rahat/execution';
import type { ExecuteOrder, FoundAnswer, FromChild, LogCommitted, LogLine, ToChild } from './child-messages.js';
import { endProcessesIn } from './process-folder.js';

export interface AttemptProcessOptions {
  spec: RunSpec;
  secrets: RunSecrets;
  scratchFolder: string;
  cacheFolder?: string;
  toolFolders: string[];
  workerName: string;
  heapMb: number;
  /** The source waits this long for a paused run, and no longer. */
  longestPauseMs?: number;
  onProgress(progress: ExecutionProgress): void;
  onLog(lines: LogLine[]): void;
  /** Of a rebuild. */
  onFound?: TellFound;
  /** Of a follower. */
  onCommitted?(committed: LogCommitted): void;
  /** The program of the child; tests put misbehaving ones here. */
  program?: string;
  /** Between the request to stop and the kill; the child uses it to cancel on the database server. */
  graceMs?: number;
}

/** The same file seen from src/attempts and from dist/attempts. */
const RUN_CHILD = join(import.meta.dirname, '../../dist/run-child.js');
const GRACE_MS = 10_000;
const WATCH_INTERVAL_MS = 500;
const DRAIN_LIMIT_MS = 2_000;
const STDERR_KEPT = 16_384;
/** engines.md §2: a dump that waits holds its snapshot, and so keeps the server from cleaning up. */
const LONGEST_PAUSE_MS = 10 * 60_000;

/** One attempt in a process of its own (design.md §6): whatever happens to it, `result` says what, and nothing of it is left running. */
export class AttemptProcess {
  readonly result: Promise<AttemptResult>;
  private readonly child: ChildProcess;
  private readonly drained: Promise<void>;
  private readonly watch: NodeJS.Timeout;
  private reported: AttemptResult | undefined;
  private stopReason: RahatError | undefined;
  private killTimer: NodeJS.Timeout | undefined;
  private ready = false;
  private pausedSince: number | undefined;
  private stderr = '';
  private lastMove = performance.now();
  private lastProgress = '';

  constructor(private readonly options: AttemptProcessOptions) {
    const { heapMb, scratchFolder, spec } = options;
    const { execArgv, env } = runProcess(heapMb, spec.type === 'restore' ? 'reads' : 'writes');
    this.child = fork(options.program ?? RUN_CHILD, [], {
      // A group of its own: a signal to the worker's terminal doesn't reach it, and one kill reaches all of it.
      detached: true,
      execArgv,
      env: { ...environment(), ...env },
      cwd: scratchFolder,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_KEPT);
    });
    this.child.on('message', (message: FromChild) => this.receive(message));
    // What a child said before its end may arrive after it.
    this.drained = Promise.all([once(this.child, 'disconnect'), once(this.child, 'close')]).then(
      () => undefined,
      () => undefined,
    );
    this.result = this.ended().then((how) => this.conclude(how));
    // By the monotonic clock: a clock that is set back must not extend a deadline.
    const endsAt = spec.deadline === undefined ? Infinity : performance.now() + Date.parse(spec.deadline) - Date.now();
    this.watch = setInterval(() => this.enforceLimits(endsAt), WATCH_INTERVAL_MS);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks the child to stop, and makes sure of it. The attempt's result becomes `reason`. */
  stop(reason: RahatError): void {
    if (this.stopReason) return;
    this.stopReason = reason;
    this.child.kill('SIGTERM');
    this.killTimer = setTimeout(() => this.killGroup(), this.options.graceMs ?? GRACE_MS);
  }

  /** Back-pressure holds the source up; the attempt ends when it is kept waiting for too long. */
  pause(): void {
    if (this.pausedSince !== undefined || this.stopReason) return;
    this.pausedSince = performance.now();
    if (this.ready) this.tell({ type: 'pause' });
  }

  resume(): void {
    if (this.pausedSince === undefined) return;
    this.pausedSince = undefined;
    this.lastMove = performance.now();
    if (this.ready) this.tell({ type: 'resume' });
  }

  /** Before the child can take it, whoever waits is told nothing, and tries again. */
  hand(order: LogPushOrder): void {
    if (this.ready && !this.stopReason) this.tell({ type: 'pushed', order });
  }

  private tell(message: ToChild): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  private receive(message: FromChild): void {
    switch (message.type) {
      case 'ready': {
        const { spec, secrets, toolFolders, scratchFolder, cacheFolder, workerName } = this.options;
        const order: ExecuteOrder = { type: 'execute', spec, secrets, toolFolders, scratchFolder, cacheFolder, workerName };
        this.tell(order);
        this.ready = true;
        if (this.pausedSince !== undefined) this.tell({ type: 'pause' });
        return;
      }
      case 'progress': {
        const progress = JSON.stringify(message.progress);
        if (progress !== this.lastProgress) this.lastMove = performance.now();
        this.lastProgress = progress;
        return this.options.onProgress(message.progress);
      }
      case 'log':
        this.lastMove = performance.now();
        return this.options.onLog(message.lines);
      case 'committed':
        this.lastMove = performance.now();
        return this.options.onCommitted?.(message.committed);
      case 'found':
        this.lastMove = performance.now();
        void this.answerFound(message.snapshots, message.last, message.logs).then((answer) => this.tell({ type: 'found-answer', answer }));
        return;
      case 'result':
        this.reported = message.result;
    }
  }

  private async answerFound(...page: Parameters<TellFound>): Promise<FoundAnswer> {
    try {
      if (!this.options.onFound) throw new RahatError('message_invalid', 'This worker has nobody to tell of snapshots');
      return { told: await this.options.onFound(...page) };
    } catch (error) {
      return { error: RahatError.from(error).serialize() };
    }
  }

  private enforceLimits(endsAt: number): void {
    const now = performance.now();
    const { noProgressSeconds, deadline } = this.options.spec;
    if (now > endsAt) this.stop(new RahatError('deadline_exceeded', `The run was not done by its deadline, ${deadline}`));
    else if (this.pausedSince !== undefined) {
      const longestMs = this.options.longestPauseMs ?? LONGEST_PAUSE_MS;
      if (now - this.pausedSince > longestMs)
        this.stop(
          new RahatError(
            'pause_expired',
            `The run was paused for more than ${longestMs / 60_000} minutes, the longest that its source waits`,
          ),
        );
    } else if (this.options.spec.type !== 'follow' && now - this.lastMove > noProgressSeconds * 1000) {
      this.stop(
        new RahatError('deadline_exceeded', `Nothing moved for ${noProgressSeconds} s`, {
          hint: 'Is the database server waiting for a lock, or the storage hanging?',
        }),
      );
    }
  }

  private ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null; failure?: Error }> {
    return new Promise((resolve) => {
      // `error`: it could not even be started. A kill or a send that fails is followed by `exit`.
      this.child.once('error', (failure) => this.child.pid === undefined && resolve({ code: null, signal: null, failure }));
      this.child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  private async conclude(how: { code: number | null; signal: NodeJS.Signals | null; failure?: Error }): Promise<AttemptResult> {
    clearInterval(this.watch);
    clearTimeout(this.killTimer);
    this.killGroup();
    await endProcessesIn(this.options.scratchFolder);
    await Promise.race([this.drained, sleep(DRAIN_LIMIT_MS, undefined, { ref: false })]);
    // Evidence that came in before the stop took effect stays true: the work was done.
    if (this.reported?.outcome === 'evidence') return this.reported;
    if (this.stopReason?.code === 'cancelled') return { outcome: 'cancelled' };
    if (this.stopReason) return { outcome: 'error', error: this.stopReason.serialize() };
    return this.reported ?? { outcome: 'error', error: this.lost(how).serialize() };
  }

  private lost({ code, signal, failure }: { code: number | null; signal: NodeJS.Signals | null; failure?: Error }): RahatError {
    if (failure) return new RahatError('worker_lost', `The run's process could not be started: ${failure.message}`, { cause: failure });
    if (/JavaScript heap out of memory/.test(this.stderr)) {
      return new RahatError('worker_lost', `The run's process needed more memory than its cap of ${this.options.heapMb} MB`, {
        hint: 'Raise RAHAT_WORKER_HEAP_MB of the worker.',
      });
    }
    const how = signal ? `was killed by ${signal}` : `ended with code ${code} before it had a result`;
    const hint =
      signal === 'SIGKILL'
        ? 'Did somebody kill it, or the machine run out of memory? The next attempt starts afresh.'
        : 'The next attempt starts afresh.';
    return new RahatError('worker_lost', `The run's process ${how}`, { hint });
  }

  private killGroup(): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // Nobody of the group is left.
    }
  }
}

/** Nothing of the worker's own environment: it may hold secrets, and a child's environment can be read from outside. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TZ, LANG } = process.env;
  return Object.fromEntries(Object.entries({ PATH, HOME, TZ, LANG }).filter(([, value]) => value !== undefined));
}
