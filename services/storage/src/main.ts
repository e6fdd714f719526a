import 'reflect-metadata';
import { createSecretBox, readKeyFile } from '@rahat/secrets';
import { masterKeyConfig, runService } from '@rahat/service-kit/process';
import { storageConfig } from './config.js';
import { storageMigrations } from './migrations/index.js';
import { StorageModule } from './storage.module.js';

await runService({
  service: 'storage',
  main: import.meta.url,
  config: storageConfig.extend(masterKeyConfig),
  migrations: storageMigrations,
  module: async (runtime, config) =>
    StorageModule.register({ runtime, config, secretBox: createSecretBox(await readKeyFile(config.RAHAT_MASTER_KEY_PATH)) }),
});
