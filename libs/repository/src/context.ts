import type { BlobStore } from '@rahat/blob-store-port';
import type { WindowMaker } from './chunking/gear-scan.js';
import type { RepositoryConfig } from './descriptor/config.js';
import type { RepositoryKeys } from './keys/derivation.js';
import type { Protocol } from './protocol.js';
import type { Sealing } from './sealed-files/sealing.js';
import type { ThreadPool } from './threads/thread-pool.js';

export interface Clock {
  now(): Date;
  /** Milliseconds that no change of the wall clock moves. */
  monotonicMs(): number;
  /** Runs `action` once after so many milliseconds. A background action doesn't keep the process alive. Gives what calls it off. */
  after(ms: number, action: () => void, options?: { background: boolean }): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  after(ms, action, options) {
    const timer = setTimeout(action, ms);
    if (options?.background) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** What every part of an open repository works with. */
export interface RepositoryContext {
  store: BlobStore;
  repositoryId: Buffer;
  keys: RepositoryKeys;
  config: RepositoryConfig;
  clock: Clock;
  leaseTtlMs: number;
  protocol: Protocol;
  /** Local folder where the index is kept between sessions; without one each session loads all of it. */
  cache?: CacheOptions;
  /** Memory for rows of the index, in bytes, besides 5 to 7 bytes a chunk; default 32 MiB. */
  indexMemoryBytes?: number;
  /** Memory for opened frames of one session that reads, in bytes; default 40 MiB. */
  frameMemoryBytes?: number;
  /** Requests for parts of packs that one session has under way; default 64. */
  openReads?: number;
  /** Says what doesn't work and is worked around, such as a cache on a full disk. */
  notice?: (message: string) => void;
  /** The process's own pool, where it isn't given. */
  threads?: ThreadPool;
  /** By `keys`, where it isn't given. */
  sealing?: Sealing;
  /** What the largest sources and packs need, where it isn't given. */
  writingMemory?: WritingMemory;
}

/** What a session that writes allocates. */
export interface WritingMemory {
  windows: WindowMaker;
  /** Two of the largest chunks at least. */
  windowBytes: number;
  /** Of plaintext; a larger chunk makes a frame by itself. */
  frameBytes: number;
  /** A pack of the configured size at least, and a pack with nothing but the largest frame. */
  packBytes: number;
}

export interface CacheOptions {
  /** Shared by all repositories and processes of one user; made with mode 0700. May be deleted at any time. */
  folder: string;
  /** Repositories that weren't used for long are dropped above this; default 8 GiB. */
  maxBytes?: number;
}

/** repository.md §7: a lease that wasn't renewed for this long counts as dead. */
export const LEASE_TTL_MS = 30 * 60 * 1000;
