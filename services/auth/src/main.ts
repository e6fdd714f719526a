import 'reflect-metadata';
import { createSecretBox, readKeyFile } from '@rahat/secrets';
import { masterKeyConfig, runService } from '@rahat/service-kit/process';
import { AuthModule } from './auth.module.js';
import { authConfig } from './config.js';
import { authMigrations } from './migrations/index.js';

await runService({
  service: 'auth',
  main: import.meta.url,
  config: authConfig.extend(masterKeyConfig),
  migrations: authMigrations,
  module: async (runtime, config) =>
    AuthModule.register({ runtime, config, secretBox: createSecretBox(await readKeyFile(config.RAHAT_MASTER_KEY_PATH)) }),
});
