export * from './describe-blob-store.js';
export * from './faulty-store.js';
export * from './memory-store.js';
export * from './locking-store.js';
export * from './stale-listing-store.js';
