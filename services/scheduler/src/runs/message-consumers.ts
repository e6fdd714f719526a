import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { QUEUES, SCHEDULER } from '@rahat/contracts';
import type { Messaging, Subscription } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { findBackup } from '../backups/backups.table.js';
import type { LogRemovals } from '../log-streams/log-removals.js';
import type { FoundPages } from '../rebuild/found-pages.js';
import type { Removals } from '../retention/removals.js';
import type { RetentionService } from '../retention/retention.service.js';
import type { Returns } from '../trash/returns.js';
import type { VerificationChain } from '../verification/verification-chain.js';
import type { Clock } from '../clock/clock.js';
import { recordWorker } from '../workers/workers.table.js';
import type { AttemptMessages } from './attempt-messages.js';
import type { Ticker } from './tick/ticker.js';

/** Everything that other services and workers tell the scheduler. Each effect commits with the message's id. */
export class MessageConsumers implements OnApplicationBootstrap, OnApplicationShutdown {
  private subscriptions: Subscription[] = [];

  constructor(
    private readonly messaging: Messaging,
    private readonly database: TenantDatabase,
    private readonly attempts: AttemptMessages,
    private readonly verification: VerificationChain,
    private readonly retention: RetentionService,
    private readonly removals: Removals,
    private readonly returns: Returns,
    private readonly logRemovals: LogRemovals,
    private readonly ticker: Ticker,
    private readonly foundPages: FoundPages,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    const { attempts, retention } = this;
    this.subscriptions = [
      this.messaging.consumeCommands(QUEUES.scheduler, this.database, {
        'worker.alive.v1': async (message, { transaction }) => {
          // Runs may have waited for it.
          if (await recordWorker(transaction, message, this.clock.now())) transaction.afterCommit(() => this.ticker.hurry());
        },
        'attempt.started.v1': (message, { transaction }) => attempts.started(transaction, message),
        'attempt.heartbeat.v1': (message, { transaction }) => attempts.heartbeat(transaction, message),
        'attempt.progress.v1': (message, { transaction }) => attempts.progress(transaction, message),
        'attempt.log.v1': (message, { transaction }) => attempts.log(transaction, message),
        'attempt.finished.v1': async (message, { transaction }) => {
          await attempts.finished(transaction, message);
          // Its server may have room for another run now.
          transaction.afterCommit(() => this.ticker.hurry());
        },
        'log.committed.v1': (message, { transaction }) => attempts.committed(transaction, message),
        'log.removed.v1': (message, { transaction }) => this.logRemovals.removed(transaction, message),
        'snapshot.removed.v1': (message, { transaction }) => this.removals.removed(transaction, message),
        'snapshot.returned.v1': (message, { transaction }) => this.returns.returned(transaction, message),
      }),
      this.messaging.answer(SCHEDULER, {
        'attempt.claim.v1': (claim) =>
          this.database.asSystem('give an attempt to a worker', (transaction) => attempts.claim(transaction, claim)),
        'snapshots.found.v1': (page) => this.foundPages.take(page),
      }),
      this.messaging.consumeEvents('scheduler', this.database, {
        'backup.recorded.v1': async (message, { transaction }) => {
          const backup = await findBackup(transaction, message.backup);
          const verifies = await this.verification.begin(transaction, backup);
          if (!verifies) await retention.apply(transaction, backup);
        },
        'backup.proven.v1': async (message, { transaction }) => retention.apply(transaction, await findBackup(transaction, message.backup)),
        // Rows come into being with the first server; the event only must not end as a dead letter.
        'organization.created.v1': async () => undefined,
      }),
    ];
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.subscriptions.map((subscription) => subscription.close()));
  }
}
