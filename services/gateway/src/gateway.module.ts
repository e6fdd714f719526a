import type { Server } from 'node:http';
import {
  Inject,
  Logger,
  Module,
  type DynamicModule,
  type MiddlewareConsumer,
  type NestModule,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AuthenticatedAgain, AuthenticatedSubject } from '@rahat/contracts';
import { CONFIG, Gauge, METRICS, runtimeProviders, type InternalClient, type Registry, type StatelessRuntime } from '@rahat/service-kit';
import type { Express, Request } from 'express';
import type { GatewayConfig } from './config.js';
import { limitConnections } from './connections/connection-limits.js';
import { connectionMetrics, type ConnectionReports } from './connections/connection-metrics.js';
import { StalledReaders } from './connections/stalled-readers.js';
import { Forwarding } from './forwarding/forward.js';
import { CredentialWatch } from './front-door/credential-watch.js';
import { FrontDoor } from './front-door/front-door.middleware.js';
import { securityHeaders } from './front-door/security-headers.js';
import { SubjectCache } from './front-door/subject-cache.js';
import { Idempotency } from './idempotency/idempotency.middleware.js';
import { LiveSockets } from './live/live-sockets.js';
import { LiveUpstream } from './live/live-upstream.js';
import { limitMetrics } from './limits/counter-metrics.js';
import { PatientCounter } from './limits/patient-counter.js';
import { RequestLimits } from './limits/request-limits.js';
import { Admission } from './overload/admission.js';
import { admissionMetrics, AdmissionReports } from './overload/admission-metrics.js';
import { Places } from './overload/places.js';
import { PageController } from './page/page.controller.js';
import { ReferenceController } from './page/reference.controller.js';
import type { SharedState } from './shared/shared-state.js';

export interface GatewayParts {
  runtime: StatelessRuntime;
  config: GatewayConfig;
  internal: Pick<InternalClient, 'post' | 'get' | 'stream'>;
  /** Closed with the application. */
  shared: SharedState;
  /** Where the other services are, as `RAHAT_<SERVICE>_URL`; absent when their routes are in the same application. */
  services?: object;
}

/** Log-ins that wait for one of the few places where passwords are checked. */
const ENTRANCE = { mostWaiting: 64, longestWaitMs: 5_000 };

const SHARED = Symbol('rahat.gateway.shared');

/** What requests and sockets have in common. */
abstract class Guards {
  abstract readonly subjects: SubjectCache;
  abstract readonly watch: CredentialWatch;
  abstract readonly limits: RequestLimits;
}

@Module({})
export class GatewayModule implements NestModule, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  static register(parts: GatewayParts): DynamicModule {
    const { runtime, config, shared, services } = parts;
    const forwarding =
      services && new Forwarding(services, runtime.principals, requestIdOf, config.RAHAT_GATEWAY_ANSWER_TIMEOUT_SECONDS * 1000);
    const logger = new Logger('Idempotency');
    const warn = (error: unknown) => logger.warn({ err: error }, 'an answer could not be kept');
    return {
      module: GatewayModule,
      controllers: [PageController, ReferenceController],
      providers: [
        ...runtimeProviders(runtime, config),
        { provide: SHARED, useValue: shared },
        { provide: Guards, inject: [METRICS], useFactory: (metrics: Registry) => guardsOf(parts, metrics) },
        { provide: AdmissionReports, inject: [METRICS], useFactory: admissionMetrics },
        { provide: Admission, inject: [AdmissionReports], useFactory: (reports: AdmissionReports) => new Admission(config, reports) },
        {
          provide: FrontDoor,
          inject: [Guards, AdmissionReports],
          useFactory: (guards: Guards, reports: AdmissionReports) => frontDoorOf(parts, guards, reports),
        },
        {
          provide: LiveSockets,
          inject: [Guards, METRICS],
          useFactory: (guards: Guards, metrics: Registry) => liveSocketsOf(parts, guards, metrics),
        },
        { provide: Idempotency, useValue: new Idempotency(shared.answers, warn) },
        { provide: Forwarding, useValue: forwarding },
      ],
    };
  }

  private readonly reports: ConnectionReports;

  /** The headers are set before anything else answers, the API's own documentation included. */
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(FrontDoor) private readonly frontDoor: FrontDoor,
    @Inject(Idempotency) private readonly idempotency: Idempotency,
    @Inject(Forwarding) private readonly forwarding: Forwarding | undefined,
    @Inject(LiveSockets) private readonly sockets: LiveSockets,
    @Inject(SHARED) private readonly shared: SharedState,
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(METRICS) metrics: Registry,
  ) {
    const express = host.httpAdapter.getInstance<Express>();
    express.set('trust proxy', config.RAHAT_TRUSTED_PROXIES);
    express.disable('x-powered-by');
    this.reports = connectionMetrics(metrics);
    express.use(securityHeaders, new StalledReaders(config.RAHAT_GATEWAY_STALLED_SECONDS * 1000, this.reports.stalled).use);
  }

  configure(consumer: MiddlewareConsumer): void {
    const forwarding = this.forwarding ? [this.forwarding.use] : [];
    consumer.apply(this.admission.use, this.frontDoor.use, this.idempotency.use, ...forwarding).forRoutes('{*path}');
  }

  onApplicationBootstrap(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    limitConnections(server, this.config, this.reports.refused);
    this.sockets.attach(server);
  }

  beforeApplicationShutdown(): void {
    this.sockets.close();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.shared.close();
  }
}

function guardsOf({ config, internal, shared }: GatewayParts, metrics: Registry): Guards {
  const reports = limitMetrics(metrics);
  const subjects = new SubjectCache({
    ask: (asked) => internal.post('auth', '/internal/v1/authenticate', asked, AuthenticatedSubject, 'platform'),
    askAgain: async (asked) =>
      (await internal.post('auth', '/internal/v1/authenticate/again', { asked }, AuthenticatedAgain, 'platform')).subjects,
  });
  return {
    subjects,
    watch: new CredentialWatch((credential, address) => subjects.subjectOf({ credential, address })),
    limits: new RequestLimits(new PatientCounter(shared.counter, reports), config, reports.refused),
  };
}

function frontDoorOf({ runtime, config }: GatewayParts, guards: Guards, reports: AdmissionReports): FrontDoor {
  const most = config.RAHAT_GATEWAY_LOGINS_AT_ONCE;
  const entrance = new Places({ what: 'log-ins', most, ...ENTRANCE }, () => reports.refused('log-in'));
  reports.watch('log-in', entrance);
  return new FrontDoor({
    ...guards,
    principals: runtime.principals,
    entrance,
    requestIdOf,
  });
}

function liveSocketsOf({ config, internal }: GatewayParts, guards: Guards, metrics: Registry): LiveSockets {
  const sockets = new LiveSockets({
    ...guards,
    upstream: new LiveUpstream(internal),
    socketsPerUser: config.RAHAT_GATEWAY_SOCKETS_PER_USER,
    trustedProxies: config.RAHAT_TRUSTED_PROXIES,
  });
  new Gauge({
    name: 'rahat_gateway_live_sockets',
    help: 'Sockets that are open for live events',
    registers: [metrics],
    collect() {
      this.set(sockets.count);
    },
  });
  return sockets;
}

function requestIdOf(request: Request): string {
  return String((request as Request & { id?: unknown }).id);
}
