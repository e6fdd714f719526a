export { AuditModule } from './audit.module.js';
export { auditConfig as configSchema, type AuditConfig } from './config.js';
export { auditMigrations as migrations } from './migrations/index.js';
