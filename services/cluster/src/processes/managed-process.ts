import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { becameOf, openForAppending } from '@rahat/installation';
import type { ProcessPlan } from './process-plans.js';
import { lastWords } from './last-words.js';

export interface ProcessObserver {
  /** It ended without being asked to. */
  died(name: string, words: string): void;
  /** Another process has its name now. */
  changed(): void;
}

const START_LIMIT_MS = 120_000;
const LOOK_EVERY_MS = 50;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** As many starts that never became ready are a fault of the settings and not of the moment. */
const HOPELESS_STARTS = 5;

/** One process of a service: started again whenever it ends, with growing pauses while it doesn't become ready. */
export class ManagedProcess {
  private child: ChildProcess | undefined;
  private readonly stopping = new AbortController();
  private restarting = false;
  private failedStarts = 0;

  constructor(
    readonly plan: ProcessPlan,
    private readonly logFile: string,
    private readonly observer: ProcessObserver,
  ) {}

  get pid(): number | null {
    return this.child && !becameOf(this.child) ? (this.child.pid ?? null) : null;
  }

  /** Resolves when it does its work; rejects when it can't. */
  async start(): Promise<void> {
    this.launch();
    for (const deadline = Date.now() + START_LIMIT_MS; ; await sleep(LOOK_EVERY_MS)) {
      if (this.pid !== null && (await this.isStarted())) {
        this.failedStarts = 0;
        return;
      }
      if (this.stopping.signal.aborted || (this.failedStarts < HOPELESS_STARTS && Date.now() < deadline)) continue;
      throw new RahatError('unavailable', `${this.plan.name} does not start: ${lastWords(this.logFile)}`, {
        hint: `Its log is ${this.logFile}.`,
      });
    }
  }

  /** Ends it as a new version's roll-out would, and starts it again. */
  async restart(): Promise<void> {
    this.restarting = true;
    try {
      await this.end();
    } finally {
      this.restarting = false;
    }
    await this.start();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.end();
  }

  private launch(): void {
    const log = openForAppending(this.logFile);
    try {
      const child = spawn(process.execPath, ['--enable-source-maps', ...this.plan.flags, this.plan.entry], {
        cwd: '/',
        env: this.plan.environment,
        // The channel closes when we are killed; then it drains by itself.
        stdio: ['ignore', log, log, 'ipc'],
        // Ctrl+C must reach us alone: we say in which order they end.
        detached: true,
      });
      child.once('error', () => undefined);
      child.once('exit', () => void this.afterEnd(child));
      this.child = child;
    } finally {
      closeSync(log);
    }
    this.observer.changed();
  }

  private async afterEnd(child: ChildProcess): Promise<void> {
    if (this.stopping.signal.aborted || this.restarting || child !== this.child) return;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.failedStarts, LONGEST_PAUSE_MS);
    this.failedStarts++;
    this.observer.died(this.plan.name, `${becameOf(child)}; it is started again in ${pauseMs / 1000} s`);
    await sleep(pauseMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    if (this.stopping.signal.aborted || this.restarting) return;
    this.launch();
    void this.forgetFailuresOnceReady(this.child!);
  }

  private async forgetFailuresOnceReady(child: ChildProcess): Promise<void> {
    while (!becameOf(child) && child === this.child) {
      if (await this.isStarted()) {
        this.failedStarts = 0;
        return;
      }
      await sleep(LOOK_EVERY_MS * 10);
    }
  }

  private async isStarted(): Promise<boolean> {
    try {
      const response = await fetch(`${this.plan.metricsUrl}/startupz`, { signal: AbortSignal.timeout(2_000) });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }

  private async end(): Promise<void> {
    const { child } = this;
    if (!child || becameOf(child)) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), this.plan.drainLimitMs);
    await exited;
    clearTimeout(timer);
  }
}
