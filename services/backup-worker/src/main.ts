import 'reflect-metadata';
import { runWorker } from '@rahat/service-kit/process';
import { BackupWorkerModule } from './backup-worker.module.js';
import { workerConfig } from './config.js';

await runWorker({
  service: 'backup-worker',
  main: import.meta.url,
  config: workerConfig,
  module: (runtime, config) => BackupWorkerModule.register({ runtime, config }),
});
