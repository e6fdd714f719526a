import { Inject, Module, type DynamicModule, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AuthenticatedSubject } from '@rahat/contracts';
import { CONFIG, runtimeProviders, type InternalClient, type StatelessRuntime } from '@rahat/service-kit';
import type { Express, Request } from 'express';
import type { GatewayConfig } from './config.js';
import { Forwarding } from './forwarding/forward.js';
import { FrontDoor } from './front-door/front-door.middleware.js';
import { RateLimit } from './front-door/rate-limit.js';
import { securityHeaders } from './front-door/security-headers.js';
import { SubjectCache } from './front-door/subject-cache.js';
import { PageController } from './page/page.controller.js';

@Module({})
export class GatewayModule implements NestModule {
  static register({
    runtime,
    config,
    internal,
    services,
  }: {
    runtime: StatelessRuntime;
    config: GatewayConfig;
    internal: Pick<InternalClient, 'post'>;
    /** Where the other services are, as `RAHAT_<SERVICE>_URL`; absent when their routes are in the same application. */
    services?: object;
  }): DynamicModule {
    const ask = (credential: string, address: string) =>
      internal.post('auth', '/internal/v1/authenticate', { credential, address }, AuthenticatedSubject, 'platform');
    const requestIdOf = (request: Request) => String((request as Request & { id?: unknown }).id);
    const frontDoor = new FrontDoor({
      principals: runtime.principals,
      subjects: new SubjectCache(ask),
      tries: new RateLimit('log-in', config.RAHAT_LOGIN_TRIES_PER_MINUTE, 60),
      // A device asks every five seconds: so many of one address may wait at once.
      questions: new RateLimit('device-log-in', 12 * config.RAHAT_LOGIN_TRIES_PER_MINUTE, 60),
      requestIdOf,
    });
    const forwarding = services && new Forwarding(services, runtime.principals, requestIdOf);
    return {
      module: GatewayModule,
      controllers: [PageController],
      providers: [
        ...runtimeProviders(runtime, config),
        { provide: FrontDoor, useValue: frontDoor },
        { provide: Forwarding, useValue: forwarding },
      ],
    };
  }

  /** The headers are set before anything else answers, the API's own documentation included. */
  constructor(
    @Inject(HttpAdapterHost) { httpAdapter }: HttpAdapterHost,
    @Inject(FrontDoor) private readonly frontDoor: FrontDoor,
    @Inject(Forwarding) private readonly forwarding: Forwarding | undefined,
    @Inject(CONFIG) config: GatewayConfig,
  ) {
    const express = httpAdapter.getInstance<Express>();
    express.set('trust proxy', config.RAHAT_TRUSTED_PROXIES);
    express.disable('x-powered-by');
    express.use(securityHeaders);
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(this.frontDoor.use, ...(this.forwarding ? [this.forwarding.use] : [])).forRoutes('{*path}');
  }
}
