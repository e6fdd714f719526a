export { SchedulerModule, type SchedulerParts } from './scheduler.module.js';
export { schedulerConfig as configSchema, type SchedulerConfig } from './config.js';
export { schedulerMigrations as migrations } from './migrations/index.js';
