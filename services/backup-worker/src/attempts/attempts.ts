import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import {
  type AttemptResult,
  LOG_PUSHED,
  LogPushOrder,
  LogPushSignal,
  QUEUES,
  RahatError,
  RunSecrets,
  type RunSpec,
} from '@rahat/contracts';
import type { Messaging, Subscription } from '@rahat/messaging';
import type { PoolKey } from '@rahat/secrets';
import { OutgoingClient } from '@rahat/service-kit';
import { z } from 'zod';
import type { WorkerConfig } from '../config.js';
import { Hooks } from '../hooks/hooks.js';
import type { Janitor, Scratch } from '../janitor/janitor.js';
import { AttemptProcess } from './attempt-process.js';
import { WorkerMetrics } from '../metrics/worker-metrics.js';
import { CatalogReports } from './catalog-reports.js';
import { Claims } from './claims.js';
import { LogReports } from './log-reports.js';
import { ReportSender } from './report-sender.js';

const HEARTBEAT_MS = 10_000;
const DELIVERY_LIMIT_ON_STOP_MS = 10_000;
/** What a follower has received is committed before it goes. */
const FOLLOWER_GRACE_MS = 35_000;
/** Evidence of a database with very many tables is megabytes. */
const RESULTS_REMEMBERED = 20;

const RunSignal = z.object({ run: z.string(), attempt: z.number().int().optional() });
type RunSignal = z.infer<typeof RunSignal>;

interface Running {
  spec: RunSpec;
  process?: AttemptProcess;
  stopReason?: RahatError;
  /** Aborted with the reason; hooks have no process of the run to be stopped by. */
  readonly stopped: AbortController;
  /** Hooks after the attempt, once its result is in the queue. */
  afterwards?: (result: AttemptResult) => Promise<void>;
  /** Asked for before there was a process, too. */
  paused?: boolean;
  done: Promise<void>;
}

/** Takes runs of the pool, one child process each, and reports them. Keeps no state that a restart would miss. */
export class Attempts {
  private readonly logger = new Logger('backup-worker');
  private readonly reports: ReportSender;
  private readonly claims: Claims;
  private readonly catalog: CatalogReports;
  private readonly outgoing: OutgoingClient;
  private readonly running = new Map<string, Running>();
  private readonly finished = new Map<string, AttemptResult>();
  private readonly stopping = new AbortController();
  private work: Subscription[] = [];
  private signals: Subscription[] = [];
  private presence: NodeJS.Timeout | undefined;

  constructor(
    private readonly messaging: Messaging,
    private readonly poolKey: PoolKey,
    private readonly config: WorkerConfig,
    private readonly janitor: Janitor,
    private readonly metrics: WorkerMetrics = new WorkerMetrics(config.RAHAT_WORKER_POOL),
  ) {
    this.reports = new ReportSender(messaging);
    this.claims = new Claims(messaging, config.RAHAT_WORKER_NAME);
    this.catalog = new CatalogReports(messaging, config.RAHAT_WORKER_NAME);
    this.outgoing = new OutgoingClient(config.RAHAT_OUTGOING_ALLOW);
  }

  async start(): Promise<void> {
    const { RAHAT_WORKER_POOL: pool, RAHAT_WORKER_SLOTS: concurrency, RAHAT_WORKER_FOLLOWERS: followers } = this.config;
    this.signals = [
      await this.messaging.onSignal('run.cancel', (payload) => this.cancel(RunSignal.parse(payload))),
      await this.messaging.onSignal('run.pause', (payload) => this.hold(RunSignal.parse(payload), true)),
      await this.messaging.onSignal('run.resume', (payload) => this.hold(RunSignal.parse(payload), false)),
      await this.messaging.onSignal(LOG_PUSHED, (payload) => void this.handPushed(LogPushSignal.parse(payload))),
    ];
    const take = { 'run.execute.v1': ({ spec }: { spec: RunSpec }) => this.execute(spec) };
    this.work = [this.messaging.work(QUEUES.worker(pool), take, { concurrency })];
    if (followers > 0) this.work.push(this.messaging.work(QUEUES.followers(pool), take, { concurrency: followers }));
    this.tellPresence(concurrency, followers);
    this.presence = setInterval(() => this.tellPresence(concurrency, followers), HEARTBEAT_MS).unref();
  }

  /** Takes no more runs; lets running ones finish within the grace, then hands them back. */
  async drain(): Promise<void> {
    clearInterval(this.presence);
    this.tellPresence(0, 0);
    const closed = Promise.all(this.work.map((work) => work.close()));
    // They don't end by themselves, and while they wait for the others their log stays on the source.
    for (const running of this.running.values()) if (running.spec.type === 'follow') this.stop(running, handedOn());
    await this.within(this.config.RAHAT_WORKER_DRAIN_SECONDS * 1000);
    for (const running of this.running.values()) this.stop(running, handedOn());
    const giveUp = setTimeout(() => this.stopping.abort(), DELIVERY_LIMIT_ON_STOP_MS);
    await Promise.all([closed, ...[...this.running.values()].map(({ done }) => done)]);
    clearTimeout(giveUp);
    await Promise.all(this.signals.map((signal) => signal.close()));
  }

  /** Resolves when the attempt's result is in the scheduler's queue. Delivered twice, here or to several workers, it runs once. */
  async execute(spec: RunSpec): Promise<void> {
    const key = `${spec.run}/${spec.attempt}`;
    const known = this.finished.get(key);
    if (known) return this.report(spec, known);
    const same = this.running.get(key);
    if (same) return same.done;
    const others = [...this.running.values()].filter((other) => other.spec.run === spec.run);
    if (others.some((other) => other.spec.attempt > spec.attempt)) return;
    const running: Running = { spec, done: Promise.resolve(), stopped: new AbortController() };
    this.running.set(key, running);
    this.measure();
    running.done = this.runAndReport(running, others).finally(() => {
      this.running.delete(key);
      this.measure();
    });
    return running.done;
  }

  private async runAndReport(running: Running, others: Running[]): Promise<void> {
    const { spec } = running;
    // The scheduler has given up on the older attempt; two of one run must not work side by side.
    const superseded = new RahatError('worker_lost', `Attempt ${spec.attempt} took over`);
    for (const other of others) this.stop(other, superseded);
    await Promise.all(others.map(({ done }) => done.catch(() => undefined)));

    // The ledger says who works. A lock that the queue lost meanwhile changes nothing about that.
    if (!(await this.claims.claim(spec, this.stopping.signal))) {
      this.logger.log(`${spec.type} ${spec.run}, attempt ${spec.attempt}: not for this worker`);
      return;
    }
    const result = await this.runOnce(running).catch((error: unknown): AttemptResult => ({
      outcome: 'error',
      error: RahatError.from(error).serialize(),
    }));
    this.metrics.ended.inc({ pool: this.config.RAHAT_WORKER_POOL, outcome: result.outcome });
    this.remember(spec, result);
    this.logger.log(
      `${spec.type} ${spec.run}, attempt ${spec.attempt}: ${result.outcome === 'error' ? `${result.error.code}: ${result.error.message}` : result.outcome}`,
    );
    await this.report(spec, result);
    // The result must not wait for them: the scheduler would give an attempt up that has long been done.
    await running
      .afterwards?.(result)
      .catch((error: unknown) => this.logger.warn(`Hooks after ${spec.run} failed: ${(error as Error).message}`));
  }

  private async runOnce(running: Running): Promise<AttemptResult> {
    const { spec } = running;
    const { RAHAT_WORKER_NAME: worker } = this.config;
    const attempt = { run: spec.run, attempt: spec.attempt };
    if (spec.deadline !== undefined && Date.parse(spec.deadline) <= Date.now())
      throw new RahatError('deadline_exceeded', `The run came to the worker after its deadline, ${spec.deadline}`);
    const secrets = RunSecrets.parse(JSON.parse((await this.poolKey.open(spec.sealedSecrets, `${spec.run}/${spec.attempt}`)).toString()));
    await using scratch = await this.janitor.makeScratch(spec.run, spec.attempt);
    if (running.stopReason) return stopped(running.stopReason);
    const heartbeat = setInterval(() => this.reports.tell('attempt.heartbeat.v1', { ...attempt, worker, at: now() }), HEARTBEAT_MS);
    try {
      const failure = await this.hooks(spec, secrets, scratch).before(running.stopped.signal);
      if (running.stopReason) return stopped(running.stopReason);
      // Without hooks nothing is left behind when the result is told.
      if (secrets.hooks?.length) {
        running.afterwards = async (result) => {
          await using folder = await this.janitor.makeScratch(spec.run, spec.attempt);
          await this.hooks(spec, secrets, folder).after(result, running.stopped.signal);
        };
      }
      return failure ? stopped(failure) : await this.inProcess(running, secrets, scratch);
    } finally {
      clearInterval(heartbeat);
    }
  }

  private hooks(spec: RunSpec, secrets: RunSecrets, scratch: Scratch): Hooks {
    const { RAHAT_WORKER_HOOKS_DIR: folder } = this.config;
    return new Hooks(spec, secrets, {
      client: this.outgoing,
      scripts: folder === undefined ? undefined : { folder, scratchFolder: scratch.path },
      onLog: (lines) => this.reports.tell('attempt.log.v1', { run: spec.run, attempt: spec.attempt, lines }),
    });
  }

  private async inProcess(running: Running, secrets: RunSecrets, scratch: Scratch): Promise<AttemptResult> {
    const { spec } = running;
    const { RAHAT_WORKER_NAME: worker, RAHAT_TOOL_FOLDERS: toolFolders, RAHAT_WORKER_HEAP_MB: heapMb } = this.config;
    const attempt = { run: spec.run, attempt: spec.attempt };
    const logs = new LogReports(this.reports, worker, this.stopping.signal);
    running.process = new AttemptProcess({
      spec,
      secrets,
      toolFolders,
      heapMb,
      // It commits what it has.
      ...(spec.type === 'follow' ? { graceMs: FOLLOWER_GRACE_MS } : {}),
      // A follower that waits keeps a connection, a session and nothing that the next attempt would not have.
      longestPauseMs: spec.type === 'follow' ? 0 : this.config.RAHAT_WORKER_LONGEST_PAUSE_MINUTES * 60_000,
      scratchFolder: scratch.path,
      cacheFolder: this.config.RAHAT_WORKER_CACHE,
      workerName: worker,
      onProgress: (progress) => this.reports.tell('attempt.progress.v1', { ...attempt, ...progress, at: now() }),
      onLog: (lines) => this.reports.tell('attempt.log.v1', { ...attempt, lines }),
      onCommitted: (committed) => logs.tell(spec, committed),
      onFound: (snapshots, last, logs) => this.catalog.tell(spec, { snapshots, last, logs }, running.stopped.signal),
    });
    if (running.paused) running.process.pause();
    return running.process.result;
  }

  /** Without an attempt the whole run is meant; a stale attempt's end must not take its successor along. */
  private cancel(signal: RunSignal): void {
    for (const running of this.meantBy(signal)) this.stop(running, new RahatError('cancelled', 'The run was cancelled'));
  }

  private hold(signal: RunSignal, paused: boolean): void {
    for (const running of this.meantBy(signal)) {
      running.paused = paused;
      if (paused) running.process?.pause();
      else running.process?.resume();
    }
  }

  /** Whoever holds the segment hears from the follower itself, or tries again. */
  private async handPushed({ run, attempt, binding, sealedOrder }: LogPushSignal): Promise<void> {
    const followers = this.meantBy({ run, attempt });
    if (followers.length === 0) return;
    try {
      const order = LogPushOrder.parse(JSON.parse((await this.poolKey.open(sealedOrder, binding)).toString()));
      for (const { process } of followers) process?.hand(order);
    } catch (error) {
      this.logger.warn(`A segment for ${run} could not be taken: ${RahatError.from(error).message}`);
    }
  }

  private meantBy({ run, attempt }: RunSignal): Running[] {
    return [...this.running.values()].filter(({ spec }) => spec.run === run && (attempt ?? spec.attempt) === spec.attempt);
  }

  /** The scheduler sends no more than workers can take, and says when there are none. */
  private tellPresence(slots: number, followers: number): void {
    const { RAHAT_WORKER_NAME: worker, RAHAT_WORKER_POOL: pool } = this.config;
    this.metrics.slots.set({ pool }, slots);
    this.reports.tell('worker.alive.v1', { worker, pool, slots, followers, at: now() });
  }

  private measure(): void {
    this.metrics.running.set({ pool: this.config.RAHAT_WORKER_POOL }, this.running.size);
  }

  private stop(running: Running, reason: RahatError): void {
    running.stopReason ??= reason;
    running.stopped.abort(running.stopReason);
    running.process?.stop(running.stopReason);
  }

  private async report(spec: RunSpec, result: AttemptResult): Promise<void> {
    const { run, attempt } = spec;
    await this.reports.deliver(
      'attempt.finished.v1',
      { run, attempt, worker: this.config.RAHAT_WORKER_NAME, result, at: now() },
      `${run}-${attempt}-finished`,
      this.stopping.signal,
    );
  }

  /** A queue that lost an acknowledgement delivers again: the answer is the same, the work isn't done twice. */
  private remember(spec: RunSpec, result: AttemptResult): void {
    this.finished.set(`${spec.run}/${spec.attempt}`, result);
    const [oldest] = this.finished.keys();
    if (this.finished.size > RESULTS_REMEMBERED && oldest !== undefined) this.finished.delete(oldest);
  }

  private async within(limitMs: number): Promise<void> {
    const enough = new AbortController();
    const finished = Promise.all([...this.running.values()].map(({ done }) => done.catch(() => undefined)));
    await Promise.race([finished, sleep(limitMs, undefined, { signal: enough.signal }).catch(() => undefined)]);
    enough.abort();
  }
}

function handedOn(): RahatError {
  return new RahatError('worker_lost', 'The worker was stopped before the run was done', {
    hint: 'The next attempt runs when a worker of the pool is there.',
  });
}

function stopped(reason: RahatError): AttemptResult {
  return reason.code === 'cancelled' ? { outcome: 'cancelled' } : { outcome: 'error', error: reason.serialize() };
}

function now(): string {
  return new Date().toISOString();
}
