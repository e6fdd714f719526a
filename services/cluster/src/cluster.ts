import path from 'node:path';
import { CreatedRepository, FirstStartAnswer, Repository, Storage } from '@rahat/contracts';
import {
  ensureMetadataDatabase,
  lockDataFolder,
  openDataFolder,
  openEmbeddedPostgresql,
  openInstallationKeys,
  openLogFile,
  protectPlatform,
  provisionServices,
  removeRuntimeFile,
  writeRuntimeFile,
  type EmbeddedPostgresql,
  type ForegroundPlatform,
  type LocalStorage,
} from '@rahat/installation';
import { InternalClient, versionBeside } from '@rahat/service-kit';
import { z } from 'zod';
import type { ClusterConfig } from './config.js';
import { planProcesses, SERVICES_WITH_DATA, type ProcessPlan } from './processes/process-plans.js';
import { Supervisor } from './processes/supervisor.js';
import { openLocalRedis, type LocalRedis } from './redis/local-redis.js';

/** The running cluster, and what the console has to say about it. */
export interface Cluster extends ForegroundPlatform {
  version: string;
  dataFolder: string;
  plans: ProcessPlan[];
  postgresql?: EmbeddedPostgresql;
  redis?: LocalRedis;
  /** Each process in turn, each ready before the next one ends. */
  restartAll(): Promise<void>;
}

/** Who makes a repository derives a key from its passphrase, which takes its time on purpose. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Starts everything on this machine; what was started is stopped again when a later part fails. */
export async function startCluster(config: ClusterConfig, env: NodeJS.ProcessEnv, tell: (words: string) => void): Promise<Cluster> {
  await using starting = new AsyncDisposableStack();
  const folder = openDataFolder(config.RAHAT_DATA_DIR);
  starting.defer(await lockDataFolder(folder));
  const log = openLogFile(path.join(folder.logs, 'cluster.log'));
  starting.defer(() => log.close());
  const report = (words: string) => {
    log.warn({}, words);
    tell(words);
  };
  const keys = await openInstallationKeys(folder);

  const queues = config.RAHAT_QUEUES;
  const redis = queues === 'redis' && !config.REDIS_URL ? await openLocalRedis(folder, config.RAHAT_REDIS_PORT, report) : undefined;
  if (redis) starting.defer(redis.stop);
  const postgresql = config.DATABASE_URL ? undefined : await openEmbeddedPostgresql(folder, config.RAHAT_POSTGRESQL_PORT, report);
  if (postgresql) starting.defer(postgresql.stop);
  const databaseUrl = config.DATABASE_URL ?? (await ensureMetadataDatabase(postgresql!.adminUrl));
  const databases = await provisionServices(databaseUrl, keys.master, SERVICES_WITH_DATA, queues);

  const redisUrl = queues === 'redis' ? (config.REDIS_URL ?? redis!.url) : undefined;
  const plans = await planProcesses({ config, folder, keys, databases, redisUrl, env });
  const [url, metricsUrl] = [plans[0]!.url!, plans[0]!.metricsUrl];
  const version = versionBeside(import.meta.url);
  const startedAt = new Date().toISOString();
  const entrance: { setupUrl?: string } = {};
  const supervisor = new Supervisor(plans, folder.logs, report, (processes) =>
    writeRuntimeFile(folder, { url, metricsUrl, pid: process.pid, version, startedAt, ...entrance, processes }),
  );
  starting.defer(() => removeRuntimeFile(folder));
  starting.defer(() => supervisor.stop());
  await supervisor.start();

  const internal = new InternalClient({ service: 'cluster', principals: keys.principals.signer }, internalUrls(plans), {
    timeoutMs: REQUEST_TIMEOUT_MS,
    patienceMs: REQUEST_TIMEOUT_MS,
  });
  const { organization, setupToken } = await internal.post('auth', '/internal/v1/first-start', {}, FirstStartAnswer, 'platform');
  if (setupToken !== null) entrance.setupUrl = `${url}/setup?token=${setupToken}`;
  supervisor.tellAll();

  const running = starting.move();
  return {
    version,
    dataFolder: folder.root,
    plans,
    postgresql,
    redis,
    ...entrance,
    protect:
      postgresql &&
      (() =>
        protectPlatform({
          folder,
          organization,
          connection: postgresql.connection,
          storage: localStorageBehind(internal, organization),
          internal,
        })),
    restartAll: () => supervisor.restartAll(),
    stop: () => running.disposeAsync(),
  };
}

function internalUrls(plans: ProcessPlan[]): Record<string, string> {
  const urlsOf = (service: string) => plans.flatMap((plan) => (plan.service === service ? plan.url! : [])).join(',');
  return { RAHAT_AUTH_URL: urlsOf('auth'), RAHAT_STORAGE_URL: urlsOf('storage'), RAHAT_SCHEDULER_URL: urlsOf('scheduler') };
}

function localStorageBehind(internal: InternalClient, organization: string): LocalStorage {
  const pageOf = <S extends z.ZodType>(item: S) => z.object({ data: z.array(item) });
  const all = async <S extends z.ZodType>(place: string, item: S) =>
    (await internal.get('storage', `${place}?limit=200`, pageOf(item), organization)).data;
  return {
    storages: () => all('/api/v2/storages', Storage),
    repositories: () => all('/api/v2/repositories', Repository),
    makeStorage: (storage) => internal.post('storage', '/api/v2/storages', storage, Storage, organization),
    makeRepository: (repository) => internal.post('storage', '/api/v2/repositories', repository, CreatedRepository, organization),
  };
}
