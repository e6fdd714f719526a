import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nextFreePort, reachableHost, type DataFolder, type InstallationKeys, type ProvisionedServices } from '@rahat/installation';
import type { ClusterConfig } from '../config.js';

/** One process to run. */
export interface ProcessPlan {
  name: string;
  service: string;
  entry: string;
  /** Of Node.js. */
  flags: string[];
  environment: NodeJS.ProcessEnv;
  url?: string;
  metricsUrl: string;
  /** So long it may take to end after a SIGTERM. */
  drainLimitMs: number;
}

/** Much of what a gateway makes lives for one request: swept up sooner it takes 60 MB less. */
const FLAGS: Record<string, string[]> = { gateway: ['--max-semi-space-size=4'] };

/** The shape of design.md §9: one process per service, two gateways, two schedulers, three workers in two pools. */
const GATEWAYS = ['gateway-1', 'gateway-2'];
const SCHEDULERS = ['scheduler-1', 'scheduler-2'];
const SINGLE = ['auth', 'storage', 'audit'];
const WORKERS = { 'worker-1': 'default', 'worker-2': 'default', 'worker-3': 'second' };

const INTERNAL_HOST = '127.0.0.1';
const PORTS_ABOVE_GATEWAYS = 10;
const DRAIN_LIMIT_MS = 30_000;
const WORKER_DRAIN_LIMIT_MS = 60_000;

export interface PlanParts {
  config: ClusterConfig;
  folder: DataFolder;
  keys: InstallationKeys;
  databases: ProvisionedServices;
  redisUrl: string | undefined;
  env: NodeJS.ProcessEnv;
}

/** In the order in which a rolling restart takes them. */
export async function planProcesses(parts: PlanParts): Promise<ProcessPlan[]> {
  const { config, folder, keys } = parts;
  const secretFile = secretFiles(folder);
  const queues = parts.redisUrl
    ? { REDIS_URL_FILE: secretFile('redis-url', parts.redisUrl) }
    : { RAHAT_QUEUE_DATABASE_URL_FILE: secretFile('queue-database-url', parts.databases.queueUrl!) };
  const port = portsIn(new Set());
  const poolKeys = Object.fromEntries(
    await Promise.all([...new Set(Object.values(WORKERS))].map(async (pool) => [pool, (await keys.pool(pool)).publicKey] as const)),
  );

  const internalPort = config.RAHAT_PORT === 0 ? 0 : config.RAHAT_PORT + PORTS_ABOVE_GATEWAYS;
  const httpPorts = new Map<string, number>();
  for (const name of GATEWAYS) httpPorts.set(name, await port(config.RAHAT_PORT, config.RAHAT_HOST));
  for (const name of [...SINGLE, ...SCHEDULERS]) httpPorts.set(name, await port(internalPort, INTERNAL_HOST));
  const urlsOf = (names: string[]) => names.map((name) => `http://${INTERNAL_HOST}:${httpPorts.get(name)}`).join(',');

  const plan = async (name: string, service: string, host: string, more: NodeJS.ProcessEnv): Promise<ProcessPlan> => {
    const metricsPort = await port(config.RAHAT_METRICS_PORT, host);
    const httpPort = httpPorts.get(name);
    return {
      name,
      service,
      entry: fileURLToPath(import.meta.resolve(`@rahat/service-${service}/main`)),
      flags: FLAGS[service] ?? [],
      environment: {
        ...handedOn(parts.env),
        RAHAT_HOST: host,
        RAHAT_METRICS_PORT: String(metricsPort),
        ...queues,
        ...(httpPort === undefined ? {} : { RAHAT_PORT: String(httpPort), RAHAT_PRINCIPAL_KEY_PATH: keys.principalKeyFile }),
        ...more,
      },
      url: httpPort === undefined ? undefined : `http://${reachableHost(host)}:${httpPort}`,
      metricsUrl: `http://${reachableHost(host)}:${metricsPort}`,
      drainLimitMs: DRAIN_LIMIT_MS,
    };
  };
  const databaseOf = (service: string): NodeJS.ProcessEnv => ({
    DATABASE_URL_FILE: secretFile(`${service}-database-url`, parts.databases.serviceUrls[service]!),
  });
  const withData = (service: string): NodeJS.ProcessEnv => ({
    ...databaseOf(service),
    RAHAT_MASTER_KEY_PATH: keys.masterKeyFile,
  });

  const plans: ProcessPlan[] = [];
  for (const name of GATEWAYS)
    plans.push(
      await plan(name, 'gateway', config.RAHAT_HOST, {
        // Without a Redis they meet in the database.
        ...(parts.redisUrl ? {} : databaseOf('gateway')),
        RAHAT_AUTH_URL: urlsOf(['auth']),
        RAHAT_SCHEDULER_URL: urlsOf(SCHEDULERS),
        RAHAT_STORAGE_URL: urlsOf(['storage']),
        RAHAT_AUDIT_URL: urlsOf(['audit']),
      }),
    );
  for (const name of SCHEDULERS)
    plans.push(
      await plan(name, 'scheduler', INTERNAL_HOST, {
        ...withData('scheduler'),
        RAHAT_POOL_KEYS: JSON.stringify(poolKeys),
        RAHAT_STORAGE_URL: urlsOf(['storage']),
      }),
    );
  for (const name of SINGLE) plans.push(await plan(name, name, INTERNAL_HOST, { ...withData(name), RAHAT_DATA_FOLDER: folder.root }));
  for (const [name, pool] of Object.entries(WORKERS)) {
    const worker = await plan(name, 'backup-worker', INTERNAL_HOST, {
      RAHAT_WORKER_POOL: pool,
      RAHAT_WORKER_POOL_KEY_PATH: (await keys.pool(pool)).file,
      RAHAT_WORKER_SCRATCH: path.join(folder.work, name, 'scratch'),
      RAHAT_WORKER_CACHE: path.join(folder.work, name, 'cache'),
    });
    plans.push({ ...worker, drainLimitMs: WORKER_DRAIN_LIMIT_MS });
  }
  return plans;
}

/** The services that keep data, each in a schema of its own. */
export const SERVICES_WITH_DATA = [...SINGLE, 'scheduler', 'gateway'];

/** Of the command line, which may stand in the same terminal. */
const SECRET = /PASSWORD|PASSPHRASE|SECRET|TOKEN|RECOVERY_KEY/;

/** Only what a process may need of ours: settings of the services, and no secret of the operator's terminal. */
function handedOn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TZ', 'LANG', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name, value]) => value !== undefined && (names.includes(name) || (name.startsWith('RAHAT_') && !SECRET.test(name))),
    ),
  );
}

/** URLs carry passwords; a file that only we can read tells them to a process, which an environment would tell to more. */
function secretFiles(folder: DataFolder): (name: string, text: string) => string {
  const place = path.join(folder.keys, 'processes');
  mkdirSync(place, { recursive: true, mode: 0o700 });
  return (name, text) => {
    const file = path.join(place, name);
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
    return file;
  };
}

/** Each process keeps its port over restarts, so no two may get the same one. */
function portsIn(taken: Set<number>): (wanted: number, host: string) => Promise<number> {
  return async (wanted, host) => {
    for (let from = wanted; ; from = wanted === 0 ? 0 : from + 1) {
      const port = await nextFreePort(from, host);
      if (taken.has(port)) continue;
      taken.add(port);
      return port;
    }
  };
}
