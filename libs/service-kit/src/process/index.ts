export { masterKeyConfig } from './process-config.js';
export { runService, runStatelessService, runWorker } from './service-process.js';
