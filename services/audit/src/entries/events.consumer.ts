import type { Messaging, Subscription } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import { birthOfOrganization, outcomeOfRun, proofOfBackup } from './recorded-events.js';
import type { TrailService } from './trail.service.js';

/** Copies of all events that the trail keeps; each is appended in the transaction that marks it as processed. */
export class EventsConsumer {
  private subscription: Subscription | undefined;

  constructor(
    private readonly messaging: Messaging,
    private readonly database: ServiceDatabase,
    private readonly trail: TrailService,
  ) {}

  onApplicationBootstrap(): void {
    this.subscription = this.messaging.consumeEvents('audit', this.database, {
      'audit.recorded.v1': async (event, { transaction }) => void (await this.trail.append(transaction, event)),
      'run.changed.v1': async (event, { transaction }) => {
        const outcome = outcomeOfRun(event);
        if (outcome !== undefined) await this.trail.append(transaction, outcome);
      },
      'backup.proven.v1': async (event, { transaction }) => void (await this.trail.append(transaction, proofOfBackup(event))),
      'organization.created.v1': async (event, { transaction }) => void (await this.trail.append(transaction, birthOfOrganization(event))),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.subscription?.close();
  }
}
