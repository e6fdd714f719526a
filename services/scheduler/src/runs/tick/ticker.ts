import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { Pulse } from '@rahat/service-kit';
import type { Clock } from '../../clock/clock.js';
import type { SchedulerConfig } from '../../config.js';
import { planCollections } from '../../collections/plan-collections.js';
import { startDueCollections } from '../../collections/start-due-collections.js';
import type { AskProviders } from '../../managed-snapshots/ask-providers.js';
import type { LogTick } from '../../log-streams/log-tick.js';
import type { ExpireSafetyCopies } from '../../restores/expire-safety-copies.js';
import type { LeftSnapshots } from '../../rebuild/left-snapshots.js';
import type { Removals } from '../../retention/removals.js';
import type { Returns } from '../../trash/returns.js';
import { startDueVerifications } from '../../verification/start-due-verifications.js';
import type { VerificationChain } from '../../verification/verification-chain.js';
import type { Memory } from '../memory.js';
import { forgetOldLiveEvents, LIVE_EVENTS_KEPT_MS } from '../../live/live-events.table.js';
import type { RunLedger } from '../run-ledger.js';
import type { DiscoverNewDatabases } from './discover-new-databases.js';
import type { Dispatch } from './dispatch.js';
import type { PlanPauses } from '../../plans/plan-pauses.js';
import type { RunPauses } from '../run-pauses.js';
import { admitWaitingRuns } from './admit-waiting.js';
import { planExpectedRuns } from './plan-expected.js';
import { startDueRuns } from './start-due.js';
import type { WatchAttempts } from './watch-attempts.js';

/** The scheduler's pulse. Each replica has one; what changes the ledger is done by whichever gets the lock. */
export class Ticker implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Ticker.name);
  private readonly pulse: Pulse;
  private discovering: Promise<void> | undefined;
  private dropping: Promise<void> | undefined;
  private askingProviders: Promise<void> | undefined;

  constructor(
    private readonly database: TenantDatabase,
    private readonly ledger: RunLedger,
    private readonly verification: VerificationChain,
    private readonly dispatch: Dispatch,
    private readonly attempts: WatchAttempts,
    private readonly removals: Removals,
    private readonly returns: Returns,
    private readonly discovery: DiscoverNewDatabases,
    private readonly providers: AskProviders,
    private readonly planPauses: PlanPauses,
    private readonly runPauses: RunPauses,
    private readonly memory: Memory,
    private readonly leftSnapshots: LeftSnapshots,
    private readonly logs: LogTick,
    private readonly safetyCopies: ExpireSafetyCopies,
    private readonly config: SchedulerConfig,
    private readonly clock: Clock,
  ) {
    this.pulse = new Pulse(() => this.tick(), config.RAHAT_SCHEDULER_TICK_SECONDS * 1000);
  }

  onApplicationBootstrap(): void {
    this.pulse.hurry();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pulse.stop();
    await this.discovering;
    await this.dropping;
    await this.askingProviders;
  }

  /** Something became due now: don't wait for the next tick. */
  hurry(): void {
    this.pulse.hurry();
  }

  /** One whole tick. A step that fails is logged and doesn't keep the others from their work. */
  async tick(): Promise<void> {
    const missedAfterMs = this.config.RAHAT_SCHEDULER_MISSED_AFTER_SECONDS * 1000;
    // Before anything is concluded from what is old.
    await this.step('remember', () => this.database.asSystem('tick: remember', (transaction) => this.memory.beat(transaction)));
    await this.step('end pauses', () => this.alone('pauses', (transaction) => this.planPauses.resumeDue(transaction, this.clock.now())));
    await this.step('plan expected runs', () =>
      this.alone('plan', (transaction) => planExpectedRuns(transaction, this.ledger, this.clock.now())),
    );
    await this.step('start due runs', () =>
      this.alone('start', (transaction) => startDueRuns(transaction, this.ledger, this.clock.now(), missedAfterMs)),
    );
    await this.step('start due verifications', () =>
      this.alone('verifications', (transaction) =>
        startDueVerifications(transaction, { ledger: this.ledger, verification: this.verification }, this.clock.now(), missedAfterMs),
      ),
    );
    await this.step('plan collections', () =>
      this.alone('plan collections', (transaction) => planCollections(transaction, this.clock.now())),
    );
    await this.step('start due collections', () =>
      this.alone('collections', (transaction) => startDueCollections(transaction, this.ledger, this.clock.now(), missedAfterMs)),
    );
    await this.step('keep log streams', () => this.alone('log streams', (transaction) => this.logs.keep(transaction)));
    await this.step('request bases for logs', () => this.alone('log bases', (transaction) => this.logs.requestBases(transaction)));
    await this.step('remove log that is not needed', () =>
      this.alone('log removals', (transaction) => this.logs.removeUnneeded(transaction)),
    );
    await this.step('drop what restores kept', () =>
      this.alone('safety copies', (transaction) => this.safetyCopies.expireDue(transaction)),
    );
    await this.step('admit waiting runs', () =>
      this.alone('admit', (transaction) =>
        admitWaitingRuns(transaction, this.ledger, {
          now: this.clock.now(),
          poolLimits: this.config.RAHAT_POOL_LIMITS,
          workerLostAfterMs: this.config.RAHAT_SCHEDULER_LOST_AFTER_SECONDS * 1000,
        }),
      ),
    );
    await this.step('send attempts', () => this.dispatch.sendQueued());
    await this.step('watch attempts', () => this.attempts.watch());
    await this.step('repeat signals', () => this.runPauses.repeatSignals());
    await this.step('send lost messages again', () => this.dispatch.sendAgain());
    await this.step('retry removals', () => this.alone('removals', (transaction) => this.removals.retryRemovals(transaction)));
    await this.step('retry returns', () => this.alone('returns', (transaction) => this.returns.retry(transaction)));
    await this.step('look for what was left', () => this.alone('left snapshots', (transaction) => this.leftSnapshots.settle(transaction)));
    await this.step('forget live events', () =>
      this.alone('live events', (transaction) =>
        forgetOldLiveEvents(transaction, new Date(this.clock.now().getTime() - 2 * LIVE_EVENTS_KEPT_MS)),
      ),
    );
    // Waits for workers' answers, so the tick doesn't wait for it.
    this.dropping ??= this.step('drop slots', () => this.logs.dropSlots()).finally(() => (this.dropping = undefined));
    this.askingProviders ??= this.step('ask providers for snapshots', () => this.providers.discoverDue()).finally(
      () => (this.askingProviders = undefined),
    );
    this.discovering ??= this.step('discover databases', () => this.discovery.discoverDue()).finally(() => (this.discovering = undefined));
  }

  /** Work that has more to do than it takes on at once goes on in the next tick, which then follows at once. */
  private async step(name: string, work: () => Promise<void | { more: boolean }>): Promise<void> {
    try {
      if ((await work())?.more) this.hurry();
    } catch (error) {
      this.logger.error(
        `Could not ${name}: ${error instanceof Error ? error.message : String(error)}`,
        error instanceof Error ? error.stack : undefined,
      );
    }
  }

  /** In one transaction, and in one replica at a time; the others have nothing to do then. */
  private async alone<T>(step: string, work: (transaction: Transaction) => Promise<T>): Promise<T | undefined> {
    return this.database.asSystem(`tick: ${step}`, async (transaction) => {
      const [lock] = await transaction.query<{ held: boolean }>(`SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS held`, [
        `rahat.scheduler.tick.${step}`,
      ]);
      return lock?.held ? work(transaction) : undefined;
    });
  }
}
