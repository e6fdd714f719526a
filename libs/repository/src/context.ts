import type { BlobStore } from '@rahat/blob-store-port';
import type { RepositoryConfig } from './descriptor/config.js';
import type { RepositoryKeys } from './keys/derivation.js';

export interface Clock {
  now(): Date;
  /** Milliseconds that no change of the wall clock moves. */
  monotonicMs(): number;
}

export const SYSTEM_CLOCK: Clock = { now: () => new Date(), monotonicMs: () => performance.now() };

/** What every part of an open repository works with. */
export interface RepositoryContext {
  store: BlobStore;
  repositoryId: Buffer;
  keys: RepositoryKeys;
  config: RepositoryConfig;
  clock: Clock;
  leaseTtlMs: number;
}

/** repository.md §7: a lease that wasn't renewed for this long counts as dead. */
export const LEASE_TTL_MS = 30 * 60 * 1000;
