import { Module, type DynamicModule } from '@nestjs/common';
import { CURSORS, type Cursors, type ServiceRuntime } from '@rahat/service-kit';
import type { AuditConfig } from './config.js';
import { AuditController } from './entries/audit.controller.js';
import { EventsConsumer } from './entries/events.consumer.js';
import { TrailService } from './entries/trail.service.js';

@Module({})
export class AuditModule {
  static register({ runtime }: { runtime: ServiceRuntime; config: AuditConfig }): DynamicModule {
    return {
      module: AuditModule,
      controllers: [AuditController],
      providers: [
        { provide: TrailService, inject: [CURSORS], useFactory: (cursors: Cursors) => new TrailService(runtime.database, cursors) },
        {
          provide: EventsConsumer,
          inject: [TrailService],
          useFactory: (trail: TrailService) => new EventsConsumer(runtime.messaging, runtime.database, trail),
        },
      ],
    };
  }
}
