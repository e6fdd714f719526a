import path from 'node:path';
import { type DynamicModule, type INestApplication, Module } from '@nestjs/common';
import { nextFreePort, reachableHost, type DataFolder, type InstallationKeys, type LogFile } from '@rahat/installation';
import * as audit from '@rahat/service-audit';
import * as auth from '@rahat/service-auth';
import * as worker from '@rahat/service-backup-worker';
import * as gateway from '@rahat/service-gateway';
import { createApplication, type Application, createLogger, InternalClient, loadConfig } from '@rahat/service-kit';
import * as scheduler from '@rahat/service-scheduler';
import * as storage from '@rahat/service-storage';
import type { StandaloneConfig } from '../config.js';
import { POOL, type ServiceParts } from './service-parts.js';

export interface OpenApplication {
  nest: INestApplication;
  url: string;
  metricsUrl: string;
  workerSlots: number;
  toolFolders: string[];
  /** For requests of the platform itself. */
  internal: InternalClient;
  close(): Promise<void>;
}

export interface ApplicationParts {
  version: string;
  folder: DataFolder;
  keys: InstallationKeys;
  parts: ServiceParts;
  log: LogFile;
  env: NodeJS.ProcessEnv;
  config: StandaloneConfig;
}

/** Where each service finds the others: all at one place here, known once it listens. */
type InternalUrls = ReturnType<typeof internalUrls>;

/** Nobody listens there: what asks too early hears `unavailable` and tries again. */
const NOT_YET = 'http://127.0.0.1:1';

const LISTEN_TRIES = 20;
const OWN_REQUEST_TIMEOUT_MS = 60_000;

@Module({})
class StandaloneModule {}

/** All services in one Nest application, listening; each gets its own runtime, as it would in a process of its own. */
export async function openApplication(from: ApplicationParts): Promise<OpenApplication> {
  const { keys, parts, log, config } = from;
  const services = await serviceConfigs(from);
  const urls = internalUrls(NOT_YET);
  const application = await createApplication(rootModule(from, services, urls), {
    name: 'Rahat Backup',
    version: from.version,
    principalKeys: keys.principals,
    logger: createLogger('standalone', { level: config.RAHAT_LOG_LEVEL, destination: log }),
    checks: parts.checks,
    metrics: [() => parts.messaging.metrics()],
  });
  const { url, metricsUrl } = await listen(application, config, urls).catch(async (error: unknown) => {
    await application.close();
    throw error;
  });
  return {
    nest: application.nest,
    url,
    metricsUrl,
    workerSlots: services.worker.RAHAT_WORKER_SLOTS,
    toolFolders: services.worker.RAHAT_TOOL_FOLDERS,
    internal: new InternalClient({ service: 'standalone', principals: keys.principals.signer }, urls, {
      timeoutMs: OWN_REQUEST_TIMEOUT_MS,
    }),
    close: () => application.close(),
  };
}

type ServiceConfigs = Awaited<ReturnType<typeof serviceConfigs>>;

/** Each service reads its environment as ever; what standalone decides for them is filled in. */
async function serviceConfigs({ env, folder, keys }: ApplicationParts) {
  const pool = await keys.pool(POOL);
  const decided = {
    ...env,
    RAHAT_DATA_FOLDER: folder.root,
    RAHAT_POOL_KEYS: JSON.stringify({ [POOL]: pool.publicKey }),
    RAHAT_WORKER_POOL: POOL,
    RAHAT_WORKER_POOL_KEY_PATH: pool.file,
    RAHAT_WORKER_SCRATCH: path.join(folder.work, 'scratch'),
    RAHAT_WORKER_CACHE: path.join(folder.work, 'cache'),
  };
  return {
    auth: loadConfig(auth.configSchema, decided),
    gateway: loadConfig(gateway.configSchema, decided),
    scheduler: loadConfig(scheduler.configSchema, decided),
    storage: loadConfig(storage.configSchema, decided),
    audit: loadConfig(audit.configSchema, decided),
    worker: loadConfig(worker.configSchema, decided),
  };
}

function rootModule({ keys, parts }: ApplicationParts, services: ServiceConfigs, urls: InternalUrls): DynamicModule {
  const { secretBox } = keys;
  const internalOf = (service: string) => new InternalClient(parts.statelessRuntimeOf(service), urls);
  return {
    module: StandaloneModule,
    imports: [
      gateway.GatewayModule.register({
        runtime: parts.statelessRuntimeOf('gateway'),
        config: services.gateway,
        internal: internalOf('gateway'),
        shared: gateway.sharedInDatabase(parts.databaseOf('gateway'), 'one'),
      }),
      auth.AuthModule.register({ runtime: parts.runtimeOf('auth'), config: services.auth, secretBox }),
      scheduler.SchedulerModule.register({
        runtime: parts.runtimeOf('scheduler'),
        config: services.scheduler,
        secretBox,
        internal: internalOf('scheduler') as scheduler.SchedulerParts['internal'],
      }),
      storage.StorageModule.register({ runtime: parts.runtimeOf('storage'), config: services.storage, secretBox }),
      audit.AuditModule.register({ runtime: parts.runtimeOf('audit'), config: services.audit, secretBox }),
      worker.BackupWorkerModule.register({ runtime: parts.statelessRuntimeOf('backup-worker'), config: services.worker }),
    ],
  };
}

function internalUrls(url: string) {
  return { RAHAT_AUTH_URL: url, RAHAT_SCHEDULER_URL: url, RAHAT_STORAGE_URL: url };
}

/** On the wanted ports or the next free ones; another program may take one between the look and the bind. */
async function listen(
  application: Application,
  config: StandaloneConfig,
  urls: InternalUrls,
): Promise<{ url: string; metricsUrl: string }> {
  const host = config.RAHAT_HOST;
  for (let tries = 1; ; tries++) {
    const port = await nextFreePort(config.RAHAT_PORT, host);
    const metricsPort = await nextFreePort(config.RAHAT_METRICS_PORT === port ? port + 1 : config.RAHAT_METRICS_PORT, host);
    const url = `http://${reachableHost(host)}:${port}`;
    Object.assign(urls, internalUrls(url));
    try {
      const { operationsUrl } = await application.listen({ host, port }, { host, port: metricsPort });
      return { url, metricsUrl: `http://${reachableHost(host)}:${new URL(operationsUrl!).port}` };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === LISTEN_TRIES) throw error;
    }
  }
}
