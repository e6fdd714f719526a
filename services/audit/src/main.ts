import 'reflect-metadata';
import { createSecretBox, readKeyFile } from '@rahat/secrets';
import { masterKeyConfig, runService } from '@rahat/service-kit/process';
import { AuditModule } from './audit.module.js';
import { auditConfig } from './config.js';
import { auditMigrations } from './migrations/index.js';

await runService({
  service: 'audit',
  main: import.meta.url,
  config: auditConfig.extend(masterKeyConfig),
  migrations: auditMigrations,
  module: async (runtime, config) =>
    AuditModule.register({ runtime, config, secretBox: createSecretBox(await readKeyFile(config.RAHAT_MASTER_KEY_PATH)) }),
});
