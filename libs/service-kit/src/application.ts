import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DynamicModule, StandardSchemaValidationPipe, type Type } from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Express } from 'express';
import { Logger, LoggerModule } from 'nestjs-pino';
import type { Logger as PinoLogger } from 'pino';
import type { Registry } from 'prom-client';
import { allowedMethodsIn } from './http/allowed-methods.js';
import { serveApiDocs } from './http/api-docs.js';
import { readJson, refuseOtherThanJson } from './http/body-rules.js';
import { guardConnections } from './http/connections.js';
import { showErrorCode } from './http/error-pages.js';
import { createOpenApiDocument } from './http/open-api.js';
import { refusePipelines } from './http/pipelines.js';
import { invalidRequest } from './http/problem.js';
import { ProblemFilter } from './http/problem.filter.js';
import { giveRequestId } from './http/request-id.js';
import { requestLogging } from './operations/logging.js';
import { createMetrics, measureRequests } from './operations/metrics.js';
import { createOperationsServer, type ReadinessCheck } from './operations/operations-server.js';
import { platformModule } from './platform-module.js';
import { PrincipalGuard } from './principal/principal.guard.js';
import type { PrincipalKeys } from './principal/principal-keys.js';
import { believeFrontDoor } from './principal/told-address.js';

export interface ApplicationOptions {
  /** Stands in logs, metrics and as the API's title. */
  name: string;
  version: string;
  principalKeys: PrincipalKeys;
  logger: PinoLogger;
  /** What `/readyz` asks, by name. */
  checks?: Record<string, ReadinessCheck>;
  /** Further Prometheus text, as `() => messaging.metrics()`. */
  metrics?: (() => Promise<string>)[];
  /** Who passes bodies on as they come leaves them unread; default: they are read. */
  bodies?: 'read' | 'left';
  /** What `/api/openapi.json` tells instead of this application's own routes. */
  openApi?: () => Promise<OpenAPIObject>;
}

export interface ListenAddress {
  host: string;
  /** 0 takes a free one. */
  port: number;
}

export interface Application {
  readonly nest: NestExpressApplication;
  /** OpenAPI 3.1. */
  readonly document: OpenAPIObject;
  readonly metrics: Registry;
  /** Gives the URLs; rejects with the system's error (EADDRINUSE) so that the caller can take another port. */
  listen(http: ListenAddress, operations?: ListenAddress): Promise<{ url: string; operationsUrl?: string }>;
  /** Without `http` for a process that nobody calls. */
  listen(http: ListenAddress | undefined, operations: ListenAddress): Promise<{ url?: string; operationsUrl: string }>;
  /** Not ready at once, then answers what is in hand, then runs the modules' shutdown hooks. */
  close(): Promise<void>;
}

/** What a request in hand gets to end at a shutdown. */
const REQUEST_GRACE_MS = 5_000;

/** A Nest application as all of ours are: guarded, validated, described, logged, measured. */
export async function createApplication(rootModule: Type | DynamicModule, options: ApplicationOptions): Promise<Application> {
  const metrics = createMetrics(options.name, options.version);
  const nest = await NestFactory.create<NestExpressApplication>(withPlatform(rootModule, options, metrics), {
    bodyParser: false,
    bufferLogs: true,
    abortOnError: false,
  });
  nest.useLogger(nest.get(Logger));
  nest.disable('x-powered-by');
  nest.use(refusePipelines, giveRequestId, measureRequests(metrics), believeFrontDoor(options.principalKeys.verifier));
  guardConnections(nest.getHttpServer() as Server);
  if (options.bodies !== 'left') nest.use(readJson(), refuseOtherThanJson);
  nest.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
  nest.useGlobalGuards(new PrincipalGuard(options.principalKeys.verifier, nest.get(Reflector)));
  (nest.getHttpAdapter().getInstance() as Express).get('/api/errors/:code', showErrorCode);
  const document = createOpenApiDocument(nest, { title: options.name, version: options.version });
  nest.useGlobalFilters(new ProblemFilter(allowedMethodsIn(document)));
  serveApiDocs(nest, options.name, options.openApi ?? (() => document));
  await nest.init();
  return new RunningApplication(nest, document, metrics, options);
}

class RunningApplication implements Application {
  private operations: Server | undefined;
  private started = false;
  private closing: Promise<void> | undefined;

  constructor(
    readonly nest: NestExpressApplication,
    readonly document: OpenAPIObject,
    readonly metrics: Registry,
    private readonly options: ApplicationOptions,
  ) {}

  listen(http: ListenAddress, operations?: ListenAddress): Promise<{ url: string; operationsUrl?: string }>;
  listen(http: ListenAddress | undefined, operations: ListenAddress): Promise<{ url?: string; operationsUrl: string }>;
  async listen(http: ListenAddress | undefined, operations?: ListenAddress): Promise<{ url?: string; operationsUrl?: string }> {
    if (operations) {
      this.operations ??= createOperationsServer({
        checks: this.options.checks ?? {},
        registry: this.metrics,
        moreMetrics: this.options.metrics ?? [],
        isStarted: () => this.started,
        isDraining: () => this.closing !== undefined,
      });
      if (!this.operations.listening) await listenOn(this.operations, operations);
    }
    if (http) await this.nest.listen(http.port, http.host);
    this.started = true;
    return { url: http && urlOf(this.nest.getHttpServer() as Server), operationsUrl: this.operations && urlOf(this.operations) };
  }

  close(): Promise<void> {
    return (this.closing ??= this.drain());
  }

  private async drain(): Promise<void> {
    const http = this.nest.getHttpServer() as Server;
    // Who keeps a connection goes to another replica with the next request, instead of being cut off in it.
    http.prependListener('request', (_request, response) => response.setHeader('Connection', 'close'));
    http.closeIdleConnections();
    // An event stream never ends by itself.
    const cutOff = setInterval(() => http.closeAllConnections(), REQUEST_GRACE_MS);
    try {
      await this.nest.close();
    } finally {
      clearInterval(cutOff);
    }
    this.operations?.closeAllConnections();
    await new Promise<void>((resolve) => (this.operations?.listening ? this.operations.close(() => resolve()) : resolve()));
  }
}

function withPlatform(rootModule: Type | DynamicModule, options: ApplicationOptions, metrics: Registry): DynamicModule {
  class ApplicationModule {}
  const platform = platformModule(metrics, options.principalKeys.deriveKey('cursors'));
  return { module: ApplicationModule, imports: [LoggerModule.forRoot(requestLogging(options.logger)), platform, rootModule] };
}

function listenOn(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
