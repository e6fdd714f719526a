export * from './repository.js';
export * from './snapshots/manifest.js';
