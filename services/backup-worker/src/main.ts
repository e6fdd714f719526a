import 'reflect-metadata';
import { runWorker } from '@rahat/service-kit/process';
import { BackupWorkerModule } from './backup-worker.module.js';
import { workerConfig } from './config.js';

await runWorker({
  service: 'backup-worker',
  main: import.meta.url,
  config: workerConfig,
  drainMs: ({ RAHAT_WORKER_DRAIN_SECONDS: seconds }) => 1000 * seconds,
  module: (runtime, config) => BackupWorkerModule.register({ runtime, config }),
});
