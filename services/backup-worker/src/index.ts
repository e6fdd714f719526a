export { BackupWorkerModule } from './backup-worker.module.js';
export { workerConfig as configSchema, type WorkerConfig } from './config.js';
