import path from 'node:path';
import { Module, type DynamicModule } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import type { ProtectPlatform } from '@rahat/contracts';
import * as audit from '@rahat/service-audit';
import * as auth from '@rahat/service-auth';
import * as worker from '@rahat/service-backup-worker';
import * as gateway from '@rahat/service-gateway';
import { createApplication, createLogger, InternalClient, loadConfig, PRINCIPAL_HEADER } from '@rahat/service-kit';
import * as scheduler from '@rahat/service-scheduler';
import * as storage from '@rahat/service-storage';
import type { StandaloneConfig } from '../config.js';
import { nextFreePort } from '../console/listening-port.js';
import type { DataFolder } from '../data-folder/data-folder.js';
import type { LogFile } from '../data-folder/log-file.js';
import { POOL, type InstallationKeys, type ServiceParts } from './service-parts.js';

export interface OpenApplication {
  nest: INestApplication;
  url: string;
  metricsUrl: string;
  workerSlots: number;
  toolFolders: string[];
  /** A request of the platform itself, in an organization. */
  ask(organization: string, method: 'GET' | 'POST', place: string, body?: ProtectPlatform): Promise<unknown>;
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

@Module({})
class StandaloneModule {}

/** All services in one Nest application, listening; each gets its own runtime, as it would in a process of its own. */
export async function openApplication(from: ApplicationParts): Promise<OpenApplication> {
  const { keys, parts, log, config } = from;
  const services = await serviceConfigs(from);
  const http = { host: config.RAHAT_HOST, port: await nextFreePort(config.RAHAT_PORT, config.RAHAT_HOST) };
  const wantedMetrics = config.RAHAT_METRICS_PORT === http.port ? http.port + 1 : config.RAHAT_METRICS_PORT;
  const operations = { host: config.RAHAT_HOST, port: await nextFreePort(wantedMetrics, config.RAHAT_HOST) };
  const base = `http://${reachable(http.host)}:${http.port}`;

  const application = await createApplication(rootModule(from, services, base), {
    name: 'Rahat Backup',
    version: from.version,
    principalKeys: keys.principals,
    logger: createLogger('standalone', { level: config.RAHAT_LOG_LEVEL, destination: log }),
    checks: parts.checks,
    metrics: [() => parts.messaging.metrics()],
  });
  try {
    await application.listen(http, operations);
  } catch (error) {
    await application.close();
    throw error;
  }
  return {
    nest: application.nest,
    url: base,
    metricsUrl: `http://${reachable(operations.host)}:${operations.port}`,
    workerSlots: services.worker.RAHAT_WORKER_SLOTS,
    toolFolders: services.worker.RAHAT_TOOL_FOLDERS,
    ask: (organization, method, place, body) => ask(base, keys, organization, method, place, body),
    close: () => application.close(),
  };
}

type ServiceConfigs = Awaited<ReturnType<typeof serviceConfigs>>;

/** Each service reads its environment as ever; what standalone decides for them is filled in. */
async function serviceConfigs({ env, folder, keys }: ApplicationParts) {
  const decided = {
    ...env,
    RAHAT_DATA_FOLDER: folder.root,
    RAHAT_POOL_KEYS: JSON.stringify({ [POOL]: keys.pool.publicKey }),
    RAHAT_WORKER_POOL: POOL,
    RAHAT_WORKER_POOL_KEY_PATH: keys.poolKeyFile,
    RAHAT_WORKER_SCRATCH: path.join(folder.work, 'scratch'),
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

function rootModule({ keys, parts }: ApplicationParts, services: ServiceConfigs, base: string): DynamicModule {
  const urls = { RAHAT_AUTH_URL: base, RAHAT_SCHEDULER_URL: base, RAHAT_STORAGE_URL: base };
  const { secretBox } = keys;
  const internalOf = (service: string) => new InternalClient(parts.statelessRuntimeOf(service), urls);
  return {
    module: StandaloneModule,
    imports: [
      gateway.GatewayModule.register({ runtime: parts.statelessRuntimeOf('gateway'), config: services.gateway, internal: internalOf('gateway') }),
      auth.AuthModule.register({ runtime: parts.runtimeOf('auth'), config: services.auth, secretBox }),
      scheduler.SchedulerModule.register({ runtime: parts.runtimeOf('scheduler'), config: services.scheduler, secretBox, internal: internalOf('scheduler') as scheduler.SchedulerParts['internal'] }),
      storage.StorageModule.register({ runtime: parts.runtimeOf('storage'), config: services.storage, secretBox }),
      audit.AuditModule.register({ runtime: parts.runtimeOf('audit'), config: services.audit }),
      worker.BackupWorkerModule.register({ runtime: parts.statelessRuntimeOf('backup-worker'), config: services.worker }),
    ],
  };
}

async function ask(base: string, keys: InstallationKeys, organization: string, method: 'GET' | 'POST', place: string, body?: ProtectPlatform): Promise<unknown> {
  const response = await fetch(new URL(place, base), {
    method,
    headers: { 'content-type': 'application/json', [PRINCIPAL_HEADER]: await keys.principals.signer.signForService('standalone', organization) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw Object.assign(new Error((answer as { detail?: string }).detail ?? `HTTP ${response.status}`), { answer });
  return answer;
}

/** A wildcard address is where to listen, not where to go. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
