/**
 * The port between the repository engine and a storage (repository.md §2).
 *
 * Contract, proven for each driver by `describeBlobStore`:
 * - Names are ASCII, at most 200 bytes, `[a-z0-9./_-]`; a driver refuses others with `invalid_input`.
 * - `put` is atomic and durable: once it resolved, the bytes survive a power cut; a reader sees nothing or all.
 *   A `put` that failed by time-out may still land later; repeating it with the same bytes is harmless.
 * - Errors are `RahatError`s with the codes `blob_not_found`, `blob_exists`, `storage_*`; nothing else escapes. Drivers try each
 *   call once; `retryable` says whether another try may succeed (`RetryingStore`).
 * - The bytes that `get` gives are the caller's own: to overwrite them, or to give back the memory of more than `Buffer.poolSize`
 *   bytes, changes nothing in the store.
 * - An error while listing is an error, never an empty or shortened list.
 */
export interface BlobStore {
  readonly capabilities: BlobStoreCapabilities;
  /** For messages and logs; holds no secret. */
  readonly description: string;
  /** With `ifAbsent`, rejects with `blob_exists` when the name is taken (only where `capabilities.conditionalPut`). */
  put(name: string, body: Uint8Array, options?: PutOptions): Promise<void>;
  /** Whole blob, or exactly the `range`. A range beyond the end rejects with `blob_not_found`'s sibling `repository_damaged`. */
  get(name: string, range?: ByteRange, options?: CallOptions): Promise<Buffer>;
  stat(name: string, options?: CallOptions): Promise<BlobStat | undefined>;
  /** Names that start with `prefix` (a plain string prefix, not a folder), in ascending order of name, streamed. */
  list(prefix: string, options?: CallOptions): AsyncIterable<BlobEntry>;
  /** Idempotent: removing what is not there succeeds. */
  remove(name: string, options?: CallOptions): Promise<void>;
  /** Forbids removing the blob until then, never shortens what holds already. Only where `capabilities.objectLock`. */
  extendLock?(name: string, until: Date, options?: CallOptions): Promise<void>;
}

export interface BlobStoreCapabilities {
  conditionalPut: boolean;
  /** Longest time in ms until a new name is listed; 0 where listing is consistent. */
  listLagMs: number;
  /** Whether `stat` and `list` give the storage's own clock. */
  serverTime: boolean;
  /** Whether blobs can be locked against removal; removing a locked one rejects with `storage_locked`. */
  objectLock: boolean;
  rangedRead: boolean;
  maxObjectSizeBytes: number;
  /** As many puts as bring more than one does: each of them holds its blob in memory meanwhile. */
  putsAtOnce: number;
}

export interface CallOptions {
  signal?: AbortSignal;
}
export interface PutOptions extends CallOptions {
  ifAbsent?: boolean;
  /** Locks the blob against removal from the first moment (only where `capabilities.objectLock`). */
  lockUntil?: Date;
}
export interface ByteRange {
  offset: number;
  length: number;
}
export interface BlobStat {
  sizeBytes: number;
  /** The storage's modification time; no earlier than the moment since when readers see this content. */
  modifiedAt: Date;
  /** Until when the blob can't be removed. Told by `stat` alone, where `capabilities.objectLock`. */
  lockedUntil?: Date;
}
export interface BlobEntry extends BlobStat {
  name: string;
}
