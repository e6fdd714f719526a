import type { DynamicModule } from '@nestjs/common';
import { openMessaging, type Messaging } from '@rahat/messaging';
import { openServiceDatabase, type Migration } from '@rahat/persistence';
import type { Logger } from 'pino';
import { z } from 'zod';
import { createApplication, type ApplicationOptions } from '../application.js';
import { loadConfig } from '../configuration/load-config.js';
import { createLogger } from '../operations/logging.js';
import { makePrincipalKeys, readPrincipalKeys, type PrincipalKeys } from '../principal/principal-keys.js';
import type { ServiceRuntime, StatelessRuntime } from '../runtime.js';
import { versionBeside } from '../version-beside.js';
import { databaseConfig, httpConfig, processConfig } from './process-config.js';
import { live } from './process-life.js';

/** Requests and messages in hand, and the ends of connections. */
const CLOSING_LIMIT_MS = 60_000;

const CommonConfig = z.object(processConfig);
const HttpConfig = z.object(httpConfig);
const DatabaseConfig = z.object(databaseConfig);

interface ProcessDefinition<C extends z.ZodObject, Runtime> {
  service: string;
  /** `import.meta.url` of main.ts; the version stands in the package.json above it. */
  main: string;
  /** What the service itself reads; what every process reads is added. */
  config: C;
  module(runtime: Runtime, config: z.infer<C>): Promise<DynamicModule> | DynamicModule;
  /** How long work under way may go on after it was asked to end. */
  drainMs?(config: z.infer<C>): number;
  /** What differs from other applications of ours. */
  application?(config: z.infer<C>, version: string): Pick<ApplicationOptions, 'bodies' | 'openApi'>;
}

/** What a process has before its own parts are made; each part says in the stack how it ends, the last one first. */
interface Foundation {
  messaging: Messaging;
  stateless(keys: PrincipalKeys): StatelessRuntime;
  logger: Logger;
  stack: AsyncDisposableStack;
}

/** A service with data of its own, as a process of its own. */
export function runService<C extends z.ZodObject>(
  definition: ProcessDefinition<C, ServiceRuntime> & { migrations: Migration[] },
): Promise<void> {
  const { service, migrations } = definition;
  return run(definition, { ...httpConfig, ...databaseConfig }, async (foundation, settings) => {
    const { DATABASE_URL: url, RAHAT_DATABASE_CONNECTIONS: poolSize } = DatabaseConfig.parse(settings);
    const http = HttpConfig.parse(settings);
    const principalKeys = await readPrincipalKeys(http.RAHAT_PRINCIPAL_KEY_PATH);
    const database = await openServiceDatabase({ url, service, migrations, poolSize });
    // Relays and consumers write until the queues are closed.
    foundation.stack.defer(() => database.close());
    foundation.stack.defer(() => foundation.messaging.close());
    return {
      runtime: { ...foundation.stateless(principalKeys), database, outbox: foundation.messaging.outbox(database) },
      principalKeys,
      port: http.RAHAT_PORT,
      checks: { database: () => database.asSystem('readiness', (transaction) => transaction.query('SELECT 1')) },
    };
  });
}

/** A service that answers over HTTP and keeps nothing. */
export function runStatelessService<C extends z.ZodObject>(definition: ProcessDefinition<C, StatelessRuntime>): Promise<void> {
  return run(definition, httpConfig, async ({ stateless }, settings) => {
    const http = HttpConfig.parse(settings);
    const principalKeys = await readPrincipalKeys(http.RAHAT_PRINCIPAL_KEY_PATH);
    return { runtime: stateless(principalKeys), principalKeys, port: http.RAHAT_PORT, checks: {} };
  });
}

/** Nobody calls a worker, and whoever takes one over shall be able to call nobody: it has no port and no key of principals. */
export function runWorker<C extends z.ZodObject>(definition: ProcessDefinition<C, StatelessRuntime>): Promise<void> {
  return run(definition, {}, async ({ stateless }) => {
    const principalKeys = await makePrincipalKeys();
    return { runtime: stateless(principalKeys), principalKeys, checks: {} };
  });
}

interface Parts<Runtime> {
  runtime: Runtime;
  principalKeys: PrincipalKeys;
  port?: number;
  checks: NonNullable<ApplicationOptions['checks']>;
}

function run<C extends z.ZodObject, Runtime extends StatelessRuntime>(
  definition: ProcessDefinition<C, Runtime>,
  shape: z.ZodRawShape,
  makeParts: (foundation: Foundation, settings: Record<string, unknown>) => Promise<Parts<Runtime>>,
): Promise<void> {
  const { service } = definition;
  return live(createLogger(service, { level: 'info' }), async () => {
    await using starting = new AsyncDisposableStack();
    const settings = loadConfig(z.object({ ...processConfig, ...shape, ...definition.config.shape })) as z.infer<C>;
    const common = CommonConfig.parse(settings);
    const logger = createLogger(service, { level: common.RAHAT_LOG_LEVEL });
    const messaging = await openMessaging({
      redisUrl: common.REDIS_URL,
      postgresUrl: common.RAHAT_QUEUE_DATABASE_URL,
      prefix: common.RAHAT_QUEUE_PREFIX,
      log: logger,
    });
    starting.defer(() => messaging.close());
    const stateless = (keys: PrincipalKeys): StatelessRuntime => ({ service, messaging, principals: keys.signer });
    const { runtime, principalKeys, port, checks } = await makeParts({ messaging, stateless, logger, stack: starting }, settings);
    const version = versionBeside(definition.main);
    const application = await createApplication(await definition.module(runtime, settings), {
      name: service,
      version,
      principalKeys,
      logger,
      checks: { ...checks, queues: () => messaging.metrics() },
      metrics: [() => messaging.metrics()],
      ...definition.application?.(settings, version),
    });
    starting.defer(() => application.close());
    const host = common.RAHAT_HOST;
    await application.listen(port === undefined ? undefined : { host, port }, { host, port: common.RAHAT_METRICS_PORT });
    const running = starting.move();
    return { drain: () => running.disposeAsync(), longestDrainMs: CLOSING_LIMIT_MS + (definition.drainMs?.(settings) ?? 0) };
  });
}
