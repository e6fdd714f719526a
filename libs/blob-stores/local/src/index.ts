export * from './local-config.js';
export * from './local-store.js';
