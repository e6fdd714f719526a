import 'reflect-metadata';
import { createSecretBox, readKeyFile } from '@rahat/secrets';
import { InternalClient, ServiceAddresses } from '@rahat/service-kit';
import { masterKeyConfig, runService } from '@rahat/service-kit/process';
import { schedulerConfig } from './config.js';
import { schedulerMigrations } from './migrations/index.js';
import { SchedulerModule } from './scheduler.module.js';

await runService({
  service: 'scheduler',
  main: import.meta.url,
  config: schedulerConfig.extend({ RAHAT_STORAGE_URL: ServiceAddresses, ...masterKeyConfig }),
  migrations: schedulerMigrations,
  module: async (runtime, config) =>
    SchedulerModule.register({
      runtime,
      config,
      secretBox: createSecretBox(await readKeyFile(config.RAHAT_MASTER_KEY_PATH)),
      internal: new InternalClient(runtime, config),
    }),
});
