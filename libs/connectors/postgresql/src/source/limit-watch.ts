import { setTimeout as delay } from 'node:timers/promises';
import type { Job, JobProgress } from '@rahat/connector-kit';
import { RahatError, type Finding, type SourceLimits, type ThrottleFacts } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';
import { quoteIdentifier } from '../errors.js';
import type { RoutedConnection } from '../reach/index.js';
import { boundsOf, inBytes, inSeconds, type NamedBound } from './bounds.js';
import { IoWaits } from './io-waits.js';
import type { Pace } from './pace.js';
import { ReplicaLag } from './replica-lag.js';
import { endSessions, lookAtSource, type SourceLoad } from './source-load.js';
import { nextThrottle, tightest, type Throttle } from './throttle.js';
import { ThrottleAccount } from './throttle-account.js';
import { BlockedSessions, type WaitingBehind } from './waiting-behind.js';

const LOOK_EVERY_MS = 2_000;
/** Sooner only when the time to give way comes. */
const SOONEST_LOOK_MS = 250;
const STATEMENT_LIMIT_MS = 3_000;
/** Of a server or network that hangs. */
const LOOK_LIMIT_MS = 10_000;
const SESSIONS_END_LIMIT_MS = 5_000;

export interface WatchOrders {
  /** application_name of the attempt's sessions. */
  label: string;
  limits: SourceLimits;
  pace: Pace;
  job: Job;
  /** So long the source is not read at a stretch; then the attempt is given up. */
  longestHoldMs: number;
  /** The attempt ends with this reason. */
  giveUp(reason: RahatError): void;
}

/** Looks at the source on a small connection of its own and sets the pace of the backup. Its failures are not the backup's. */
export class LimitWatch implements AsyncDisposable {
  readonly findings: Finding[] = [];
  private throttle: Throttle = { state: 'free' };
  private readonly account = new ThrottleAccount(performance.now());
  private readonly lag = new ReplicaLag();
  private readonly blocked = new BlockedSessions();
  private readonly ioWaits = new IoWaits();
  private readonly ended = new AbortController();
  private readonly turns: Promise<void>;
  private client?: DisposableClient;
  private bytesSeen = 0;
  private lookedAt = performance.now();
  private nextLookMs = LOOK_EVERY_MS;
  private slowedBy: string | undefined;
  private lastProgress: JobProgress = { phase: 'watching the source', bytes: 0 };
  private givingWay: Promise<void> | undefined;
  private readonly said = new Set<string>();

  constructor(
    private readonly connection: RoutedConnection,
    private readonly orders: WatchOrders,
  ) {
    this.turns = this.watch();
  }

  progress(progress: JobProgress): void {
    this.lastProgress = progress;
    this.orders.job.progress(this.slowedBy === undefined ? progress : { ...progress, slowedBy: this.slowedBy });
  }

  facts(): ThrottleFacts {
    return this.account.facts(performance.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.givingWay;
    this.ended.abort();
    await this.turns;
    await this.client?.[Symbol.asyncDispose]();
  }

  private async watch(): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted && this.givingWay === undefined) {
      await this.turn();
      await delay(this.nextLookMs, undefined, { signal }).catch(() => undefined);
    }
    await this.givingWay;
  }

  private async turn(): Promise<void> {
    this.nextLookMs = LOOK_EVERY_MS;
    try {
      const client = (this.client ??= await this.connect());
      const load = await within(LOOK_LIMIT_MS, lookAtSource(client, this.orders.label));
      this.judge(load, client);
    } catch (error) {
      await this.client?.[Symbol.asyncDispose]();
      this.client = undefined;
      if (!this.ended.signal.aborted)
        this.sayOnce('blind', `The source can't be looked at, so its bounds are not kept meanwhile: ${RahatError.from(error).message}`);
    }
    if (this.throttle.state !== 'held') return;
    const heldMs = this.account.heldForMs(performance.now());
    if (heldMs > this.orders.longestHoldMs && this.givingWay === undefined) this.tooLong(heldMs);
  }

  private async connect(): Promise<DisposableClient> {
    const client = await connectClient(this.connection, {
      database: this.connection.maintenanceDatabase,
      label: `${this.orders.label}_watch`,
      signal: this.ended.signal,
    });
    await client.query(`SELECT set_config('statement_timeout', $1, false)`, [String(STATEMENT_LIMIT_MS)]);
    return client;
  }

  private judge(load: SourceLoad, client: DisposableClient): void {
    const { limits, pace } = this.orders;
    const now = performance.now();
    if (!load.seesOthers) this.tellBlindness();
    const waiting = this.blocked.see(load.waiters, new Set(load.ours), now);
    if (waiting.longestSeconds !== undefined && this.yields(waiting, waiting.longestSeconds, client)) return;

    const bounds = boundsOf(limits, {
      lags: [...this.lag.see(load.position, load.standbys, now), ...(load.ownLag ? [{ name: 'that is read', ...load.ownLag }] : [])],
      transactionSeconds: load.transactionSeconds,
      lockWaits: waiting.others,
      ioWaitShare: this.ioWaits.see(load.ioWaits, load.active),
    });
    const worst = tightest(bounds) as NamedBound | undefined;
    const bytesPerSecond = ((pace.bytes - this.bytesSeen) / Math.max(1, now - this.lookedAt)) * 1000;
    this.bytesSeen = pace.bytes;
    this.lookedAt = now;
    this.enter(nextThrottle(this.throttle, worst, bytesPerSecond), worst, now);
  }

  private enter(next: Throttle, worst: NamedBound | undefined, now: number): void {
    const { limits, pace, job } = this.orders;
    const before = this.throttle.state;
    this.throttle = next;
    this.account.enter(next, worst?.name, now);
    const ceiling = limits.bytesPerSecond ?? Infinity;
    const wanted = next.state === 'free' ? ceiling : next.state === 'held' ? 0 : Math.min(ceiling, next.bytesPerSecond);
    pace.change(wanted === Infinity ? undefined : wanted);
    const why = worst ? `: ${worst.text}` : '';
    switch (next.state) {
      case 'free':
        this.slowedBy = undefined;
        if (before !== 'free') job.log('info', 'The source is read at full speed again');
        return;
      case 'slowed':
        this.slowedBy = `slowed to ${inBytes(next.bytesPerSecond)}/s${why}`;
        if (before === 'free') job.log('warning', `The source is read slower, at ${inBytes(next.bytesPerSecond)}/s${why}`);
        if (before === 'held') job.log('info', `The source is read again, at ${inBytes(next.bytesPerSecond)}/s`);
        return;
      case 'held':
        // With the time in it each report is a new one: to be held up is no standstill, and has its own limit here.
        this.slowedBy = `held up for ${inSeconds(this.account.heldForMs(now) / 1000)}${why}`;
        if (before !== 'held') job.log('warning', `The source is not read for the time being${why}`);
        this.progress(this.lastProgress);
    }
  }

  /** Whether somebody has waited for us too long. */
  private yields(waiting: WaitingBehind, longestSeconds: number, client: DisposableClient): boolean {
    const { yieldSeconds } = this.orders.limits;
    const queue = waiting.behindUs === 1 ? 'A session waits' : `${waiting.behindUs} sessions wait`;
    if (yieldSeconds === null || longestSeconds < yieldSeconds) {
      const end = yieldSeconds === null ? 'until its end' : `for ${yieldSeconds} s at most`;
      this.sayOnce('waiting behind', `${queue} for a lock of this dump, ${end}`);
      if (yieldSeconds !== null)
        this.nextLookMs = Math.min(LOOK_EVERY_MS, Math.max(SOONEST_LOOK_MS, (yieldSeconds - longestSeconds) * 1000 + 50));
      return false;
    }
    this.orders.giveUp(
      new RahatError('source_yielded', `${queue} for a lock of this dump, the longest for ${inSeconds(longestSeconds)}; it gave way`),
    );
    this.givingWay = this.endOurSessions(client);
    return true;
  }

  private tooLong(heldMs: number): void {
    this.orders.giveUp(
      new RahatError(
        'source_overloaded',
        `The backup was held up for ${inSeconds(heldMs / 1000)}, and its snapshot with it: ${this.slowedBy}`,
      ),
    );
    if (this.client) this.givingWay = this.endOurSessions(this.client);
  }

  /** The client's end alone would be noticed only when the server next writes to it. */
  private async endOurSessions(client: DisposableClient): Promise<void> {
    const deadline = performance.now() + SESSIONS_END_LIMIT_MS;
    try {
      while (!(await within(LOOK_LIMIT_MS, endSessions(client, this.orders.label))) && performance.now() < deadline) await delay(100);
    } catch (error) {
      this.orders.job.log('warning', `Whether the server let the locks go could not be seen: ${RahatError.from(error).message}`);
    }
  }

  private tellBlindness(): void {
    if (!this.isNew('rights')) return;
    this.findings.push({
      code: 'source_load_unseen',
      severity: 'warning',
      message: 'The user sees neither standbys nor what other sessions do, so these bounds of the source are not kept.',
      fix: `GRANT pg_monitor TO ${quoteIdentifier(this.connection.user)};`,
    });
  }

  private sayOnce(what: string, message: string): void {
    if (this.isNew(what)) this.orders.job.log('warning', message);
  }

  private isNew(what: string): boolean {
    const known = this.said.has(what);
    this.said.add(what);
    return !known;
  }
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const enough = new AbortController();
  work.catch(() => undefined);
  const late = delay(limitMs, undefined, { signal: enough.signal }).then(() => {
    throw new RahatError('deadline_exceeded', `The server did not answer within ${limitMs / 1000} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    enough.abort();
  }
}
