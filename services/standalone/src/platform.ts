import path from 'node:path';
import { FirstStart } from '@rahat/service-auth';
import { versionBeside } from '@rahat/service-kit';
import {
  ensureMetadataDatabase,
  lockDataFolder,
  openDataFolder,
  openEmbeddedPostgresql,
  openInstallationKeys,
  openLogFile,
  protectPlatform,
  removeRuntimeFile,
  writeRuntimeFile,
  type DataFolder,
  type EmbeddedPostgresql,
  type SelfBackup,
} from '@rahat/installation';
import { openApplication } from './composition/application.js';
import { localStorageOf } from './composition/local-storage.js';
import { openServiceParts } from './composition/service-parts.js';
import type { StandaloneConfig } from './config.js';

/** The running product, and what the console has to say about it. */
export interface Platform {
  version: string;
  url: string;
  metricsUrl: string;
  /** While there is no owner. */
  setupUrl?: string;
  folder: DataFolder;
  postgresql?: EmbeddedPostgresql;
  migrations: number;
  workerSlots: number;
  toolFolders: string[];
  /** Absent when the metadata database is one of the operator's own, which is theirs to protect. */
  protect?: () => Promise<SelfBackup>;
  /** Drains the worker, then HTTP, then the queues; PostgreSQL ends last. */
  stop(): Promise<void>;
}

/** Starts everything in this process; what was started is stopped again when a later part fails. */
export async function startPlatform(config: StandaloneConfig, env: NodeJS.ProcessEnv): Promise<Platform> {
  await using starting = new AsyncDisposableStack();
  const folder = openDataFolder(config.RAHAT_DATA_DIR);
  starting.defer(await lockDataFolder(folder));
  const log = openLogFile(path.join(folder.logs, 'rahat-backup.log'));
  starting.defer(() => log.close());
  const keys = await openInstallationKeys(folder);

  const postgresql = config.DATABASE_URL
    ? undefined
    : await openEmbeddedPostgresql(folder, config.RAHAT_POSTGRESQL_PORT, (words) => log.warn({}, words));
  if (postgresql) starting.defer(postgresql.stop);
  const databaseUrl = config.DATABASE_URL ?? (await ensureMetadataDatabase(postgresql!.adminUrl));
  const parts = await openServiceParts(databaseUrl, config.REDIS_URL, keys, log);
  starting.defer(parts.close);

  const version = versionBeside(import.meta.url);
  const application = await openApplication({ version, folder, keys, parts, log, env, config });
  starting.defer(() => application.close());

  const firstStart = application.nest.get(FirstStart, { strict: false });
  const token = await firstStart.setupToken();
  const { url, metricsUrl } = application;
  const setupUrl = token && `${url}/setup?token=${token}`;
  writeRuntimeFile(folder, { url, metricsUrl, pid: process.pid, version, startedAt: new Date().toISOString(), setupUrl });
  starting.defer(() => removeRuntimeFile(folder));

  const running = starting.move();
  return {
    version,
    url,
    metricsUrl,
    setupUrl,
    folder,
    postgresql,
    migrations: parts.migrations,
    workerSlots: application.workerSlots,
    toolFolders: application.toolFolders,
    protect:
      postgresql &&
      (async () => {
        const organization = await firstStart.defaultOrganization();
        return protectPlatform({
          folder,
          organization,
          connection: postgresql.connection,
          storage: localStorageOf(application.nest, organization),
          internal: application.internal,
        });
      }),
    stop: () => running.disposeAsync(),
  };
}
