export * from './describe-blob-store.js';
export * from './faulty-store.js';
export * from './memory-store.js';
