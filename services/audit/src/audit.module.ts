import { Module, type DynamicModule } from '@nestjs/common';
import type { SecretBox } from '@rahat/secrets';
import { CURSORS, type Cursors, type ServiceRuntime } from '@rahat/service-kit';
import type { AuditConfig } from './config.js';
import { AuditController } from './entries/audit.controller.js';
import { EventsConsumer } from './entries/events.consumer.js';
import { TrailService } from './entries/trail.service.js';
import { Export } from './export/export.js';
import { ExportController } from './export/export.controller.js';
import { Heads } from './heads/heads.js';
import { HeadsController } from './heads/heads.controller.js';
import { SigningKeys } from './heads/signing-keys.js';
import { Retention } from './retention/retention.js';
import { RetentionController } from './retention/retention.controller.js';
import { TrailSearch } from './search/trail-search.js';
import { Upkeep } from './upkeep/upkeep.js';
import { Verification } from './verification/verification.js';

export interface AuditParts {
  runtime: ServiceRuntime;
  config: AuditConfig;
  secretBox: SecretBox;
}

@Module({})
export class AuditModule {
  static register({ runtime, config, secretBox }: AuditParts): DynamicModule {
    const { database, messaging } = runtime;
    return {
      module: AuditModule,
      controllers: [AuditController, HeadsController, ExportController, RetentionController],
      providers: [
        { provide: SigningKeys, useFactory: () => new SigningKeys(database, secretBox) },
        {
          provide: Heads,
          inject: [SigningKeys, CURSORS],
          useFactory: (keys: SigningKeys, cursors: Cursors) => new Heads(database, keys, cursors),
        },
        { provide: TrailService, inject: [Heads], useFactory: (heads: Heads) => new TrailService(heads) },
        { provide: TrailSearch, inject: [CURSORS], useFactory: (cursors: Cursors) => new TrailSearch(database, cursors) },
        { provide: Verification, inject: [SigningKeys], useFactory: (keys: SigningKeys) => new Verification(database, keys) },
        {
          provide: Export,
          inject: [TrailService, SigningKeys],
          useFactory: (trail: TrailService, keys: SigningKeys) => new Export(database, trail, keys),
        },
        {
          provide: Retention,
          inject: [TrailService, SigningKeys],
          useFactory: (trail: TrailService, keys: SigningKeys) => new Retention(database, trail, keys),
        },
        {
          provide: Upkeep,
          inject: [Heads, Retention],
          useFactory: (heads: Heads, retention: Retention) => new Upkeep(heads, retention, config.RAHAT_AUDIT_HEAD_MINUTES),
        },
        {
          provide: EventsConsumer,
          inject: [TrailService],
          useFactory: (trail: TrailService) => new EventsConsumer(messaging, database, trail),
        },
      ],
    };
  }
}
