export * from './blob-store.js';
export * from './blob-name.js';
export { RETRY_POLICY, withRetries, type RetryPolicy } from './retries.js';
export { RetryingStore } from './retrying-store.js';
