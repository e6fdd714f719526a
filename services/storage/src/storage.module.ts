import { Module, type DynamicModule } from '@nestjs/common';
import type { SecretBox } from '@rahat/secrets';
import { runtimeProviders, type ServiceRuntime } from '@rahat/service-kit';
import type { StorageConfig } from './config.js';
import { GrantsController } from './repositories/grants.controller.js';
import { RepositoriesController } from './repositories/repositories.controller.js';
import { RepositoriesService } from './repositories/repositories.service.js';
import { SnapshotCommandsConsumer } from './repositories/snapshot-commands.consumer.js';
import { SnapshotsService } from './repositories/snapshots.service.js';
import { StoragesController } from './storages/storages.controller.js';
import { StoragesService } from './storages/storages.service.js';

@Module({})
export class StorageModule {
  static register({ runtime, config, secretBox }: { runtime: ServiceRuntime; config: StorageConfig; secretBox: SecretBox }): DynamicModule {
    const { database, outbox, messaging } = runtime;
    return {
      module: StorageModule,
      controllers: [StoragesController, RepositoriesController, GrantsController],
      providers: [
        ...runtimeProviders(runtime, config),
        { provide: StoragesService, useFactory: () => new StoragesService(database, outbox, config) },
        { provide: RepositoriesService, useFactory: () => new RepositoriesService(database, outbox, secretBox, config) },
        { provide: SnapshotsService, useFactory: () => new SnapshotsService(database, outbox, secretBox) },
        { provide: SnapshotCommandsConsumer, inject: [SnapshotsService], useFactory: (snapshots: SnapshotsService) => new SnapshotCommandsConsumer(messaging, database, snapshots) },
      ],
    };
  }
}
