export * from './repository.js';
export * from './snapshots/manifest.js';
export { createRepository, type CreateOptions } from './create-repository.js';
export { openRepository, type OpenOptions } from './open-repository.js';
export { defaultCacheFolder } from './index/index-cache.js';
export type { CopyOptions, CopyReport } from './copy/copy-reports.js';
export type * from './repair/repair-reports.js';
export type { CheckShare } from './check/check-share.js';
