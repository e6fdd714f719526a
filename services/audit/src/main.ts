import 'reflect-metadata';
import { runService } from '@rahat/service-kit/process';
import { AuditModule } from './audit.module.js';
import { auditConfig } from './config.js';
import { auditMigrations } from './migrations/index.js';

await runService({
  service: 'audit',
  main: import.meta.url,
  config: auditConfig,
  migrations: auditMigrations,
  module: (runtime, config) => AuditModule.register({ runtime, config }),
});
