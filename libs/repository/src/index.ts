export * from './repository.js';
export * from './snapshots/manifest.js';
export { createRepository, type CreateOptions } from './create-repository.js';
export { openRepository, type OpenOptions } from './open-repository.js';
export { defaultCacheFolder } from './index/index-cache.js';
