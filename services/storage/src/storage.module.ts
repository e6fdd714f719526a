import { Module, type DynamicModule } from '@nestjs/common';
import type { SecretBox } from '@rahat/secrets';
import { CURSORS, METRICS, runtimeProviders, type Cursors, type Registry, type ServiceRuntime } from '@rahat/service-kit';
import type { StorageConfig } from './config.js';
import { StorageMetrics } from './metrics/storage-metrics.js';
import { PlacesController } from './places/places.controller.js';
import { AttachmentService } from './repositories/attachment.service.js';
import { GrantsController } from './repositories/grants.controller.js';
import { RepositoriesController } from './repositories/repositories.controller.js';
import { RepositoriesService } from './repositories/repositories.service.js';
import { RepositoryCommandsConsumer } from './repositories/repository-commands.consumer.js';
import { LogsService } from './repositories/logs.service.js';
import { SnapshotsService } from './repositories/snapshots.service.js';
import { StoragesController } from './storages/storages.controller.js';
import { StoragesService } from './storages/storages.service.js';

@Module({})
export class StorageModule {
  static register({ runtime, config, secretBox }: { runtime: ServiceRuntime; config: StorageConfig; secretBox: SecretBox }): DynamicModule {
    const { database, outbox, messaging } = runtime;
    return {
      module: StorageModule,
      controllers: [StoragesController, RepositoriesController, GrantsController, PlacesController],
      providers: [
        ...runtimeProviders(runtime, config),
        {
          provide: StorageMetrics,
          inject: [METRICS],
          useFactory: (registry: Registry) => new StorageMetrics(database, registry),
        },
        {
          provide: StoragesService,
          inject: [CURSORS],
          useFactory: (cursors: Cursors) => new StoragesService(database, outbox, secretBox, config, cursors),
        },
        {
          provide: RepositoriesService,
          inject: [CURSORS],
          useFactory: (cursors: Cursors) => new RepositoriesService(database, outbox, secretBox, config, cursors),
        },
        { provide: AttachmentService, useValue: new AttachmentService(database, outbox, secretBox, config) },
        {
          provide: SnapshotsService,
          inject: [CURSORS],
          useFactory: (cursors: Cursors) => new SnapshotsService(database, outbox, secretBox, cursors),
        },
        { provide: LogsService, useValue: new LogsService(outbox, secretBox) },
        {
          provide: RepositoryCommandsConsumer,
          inject: [SnapshotsService, LogsService],
          useFactory: (snapshots: SnapshotsService, logs: LogsService) =>
            new RepositoryCommandsConsumer(messaging, database, snapshots, logs),
        },
      ],
    };
  }
}
