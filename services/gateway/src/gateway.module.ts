import {
  Inject,
  Logger,
  Module,
  type DynamicModule,
  type MiddlewareConsumer,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AuthenticatedSubject } from '@rahat/contracts';
import { CONFIG, METRICS, runtimeProviders, type InternalClient, type Registry, type StatelessRuntime } from '@rahat/service-kit';
import type { Express, Request } from 'express';
import type { GatewayConfig } from './config.js';
import { Forwarding } from './forwarding/forward.js';
import { FrontDoor } from './front-door/front-door.middleware.js';
import { securityHeaders } from './front-door/security-headers.js';
import { SubjectCache } from './front-door/subject-cache.js';
import { Idempotency } from './idempotency/idempotency.middleware.js';
import { limitMetrics } from './limits/counter-metrics.js';
import { EntranceQueue } from './limits/entrance-queue.js';
import { PatientCounter } from './limits/patient-counter.js';
import { RequestLimits } from './limits/request-limits.js';
import { PageController } from './page/page.controller.js';
import type { SharedState } from './shared/shared-state.js';

export interface GatewayParts {
  runtime: StatelessRuntime;
  config: GatewayConfig;
  internal: Pick<InternalClient, 'post'>;
  /** Closed with the application. */
  shared: SharedState;
  /** Where the other services are, as `RAHAT_<SERVICE>_URL`; absent when their routes are in the same application. */
  services?: object;
}

const SHARED = Symbol('rahat.gateway.shared');

@Module({})
export class GatewayModule implements NestModule, OnApplicationShutdown {
  static register(parts: GatewayParts): DynamicModule {
    const { runtime, config, shared, services } = parts;
    const forwarding =
      services && new Forwarding(services, runtime.principals, requestIdOf, config.RAHAT_GATEWAY_ANSWER_TIMEOUT_SECONDS * 1000);
    const logger = new Logger('Idempotency');
    const warn = (error: unknown) => logger.warn({ err: error }, 'an answer could not be kept');
    return {
      module: GatewayModule,
      controllers: [PageController],
      providers: [
        ...runtimeProviders(runtime, config),
        { provide: SHARED, useValue: shared },
        { provide: FrontDoor, inject: [METRICS], useFactory: (metrics: Registry) => frontDoorOf(parts, metrics) },
        { provide: Idempotency, useValue: new Idempotency(shared.answers, warn) },
        { provide: Forwarding, useValue: forwarding },
      ],
    };
  }

  /** The headers are set before anything else answers, the API's own documentation included. */
  constructor(
    @Inject(HttpAdapterHost) { httpAdapter }: HttpAdapterHost,
    @Inject(FrontDoor) private readonly frontDoor: FrontDoor,
    @Inject(Idempotency) private readonly idempotency: Idempotency,
    @Inject(Forwarding) private readonly forwarding: Forwarding | undefined,
    @Inject(SHARED) private readonly shared: SharedState,
    @Inject(CONFIG) config: GatewayConfig,
  ) {
    const express = httpAdapter.getInstance<Express>();
    express.set('trust proxy', config.RAHAT_TRUSTED_PROXIES);
    express.disable('x-powered-by');
    express.use(securityHeaders);
  }

  configure(consumer: MiddlewareConsumer): void {
    const forwarding = this.forwarding ? [this.forwarding.use] : [];
    consumer.apply(this.frontDoor.use, this.idempotency.use, ...forwarding).forRoutes('{*path}');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.shared.close();
  }
}

function frontDoorOf({ runtime, config, internal, shared }: GatewayParts, metrics: Registry): FrontDoor {
  const reports = limitMetrics(metrics);
  const ask = (credential: string, address: string) =>
    internal.post('auth', '/internal/v1/authenticate', { credential, address }, AuthenticatedSubject, 'platform');
  return new FrontDoor({
    principals: runtime.principals,
    subjects: new SubjectCache(ask),
    limits: new RequestLimits(new PatientCounter(shared.counter, reports), config, reports.refused),
    entrance: new EntranceQueue(config.RAHAT_GATEWAY_LOGINS_AT_ONCE),
    requestIdOf,
  });
}

function requestIdOf(request: Request): string {
  return String((request as Request & { id?: unknown }).id);
}
