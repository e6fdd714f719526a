export * from './blob-store.js';
export * from './blob-name.js';
