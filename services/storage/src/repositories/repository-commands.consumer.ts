import { QUEUES } from '@rahat/contracts';
import type { Messaging, Subscription } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { LogsService } from './logs.service.js';
import type { SnapshotsService } from './snapshots.service.js';

export class RepositoryCommandsConsumer {
  private subscription: Subscription | undefined;

  constructor(
    private readonly messaging: Messaging,
    private readonly database: ServiceDatabase,
    private readonly snapshots: SnapshotsService,
    private readonly logs: LogsService,
  ) {}

  onApplicationBootstrap(): void {
    this.subscription = this.messaging.consumeCommands(QUEUES.storage, this.database, {
      'snapshot.remove.v1': (command, { transaction }) => this.snapshots.remove(transaction, command),
      'log.remove.v1': (command, { transaction }) => this.logs.remove(transaction, command),
      'snapshot.return.v1': (command, { transaction }) => this.snapshots.bringBack(transaction, command),
      'snapshot.discard.v1': (command, { transaction }) => this.snapshots.discard(transaction, command),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.subscription?.close();
  }
}
