import type { ByteRange } from '@rahat/blob-store-port';
import type { WriteOnlyCredential } from '@rahat/contracts';
import type { CatalogEntry, CatalogOptions } from './catalog/catalog-entries.js';
import type { CopyOptions, CopyReport } from './copy/copy-reports.js';
import type { CheckShare } from './check/check-share.js';
import type { LockOptions, LockReport } from './object-lock/lock-reports.js';
import type { HealOptions, HealReport, IndexRepair, PackRepair, PackRepairOptions, RepairOptions } from './repair/repair-reports.js';
import type { Distrusted, DistrustOptions, DistrustReport } from './distrust/distrust-report.js';
import type { LogFacts, LogListing, LogManifest, LogNames, LogsOptions } from './logs/log-manifest.js';
import type { Keyring } from './keys/keyring.js';
import type { SlotCredential } from './keys/ways-in.js';
import type { RepositorySurvey, SurveyOptions } from './survey/repository-survey.js';
import type { ChunkClass, Manifest, ObjectKind, SnapshotFacts, StoredObject } from './snapshots/manifest.js';

/** What opens a repository. `secrets` is what the server keeps sealed so that schedules run unattended. */
export type RepositoryCredential = SlotCredential | { type: 'secrets'; masterKey: Buffer; identitySecret: Buffer };
/** Opens it for backups only (repository.md §4): nothing that another writer stored can be read. */
export interface WriteOnlyAccess {
  type: 'write-only';
  credential: WriteOnlyCredential;
}

export interface ObjectDescription {
  key: string;
  kind: ObjectKind;
  order: number;
  class: ChunkClass;
}

/** What the source learned of an object while it streamed; asked for when the stream has ended. */
export interface ObjectFacts {
  rows?: number;
  rowHash?: string;
  meta?: Record<string, unknown>;
}

export interface WriteProgress {
  readBytes: number;
  addedBytes: number;
}

/** What needs no master key: writing, deduplicating, manifests, the checks that decode no data. */
export interface WritableRepository {
  readonly id: string;
  /**
   * Puts a lease, loads the index (repository.md §7.1). `writer` names the worker; `sourceBytes` is about how much its source holds:
   * above a terabyte its rows are cut coarser.
   */
  beginWriting(options: {
    writer: string;
    signal?: AbortSignal;
    speed?: 'fast' | 'default' | 'small';
    sourceBytes?: number;
  }): Promise<WriteSession>;
  /** Every manifest, oldest first; a damaged one is yielded as its error, never skipped. */
  snapshots(): AsyncIterable<SnapshotListing>;
  /** All that a lost catalog can be made anew from, by id: the snapshots, then those in the trash. Damaged ones as their error. */
  catalog(options?: CatalogOptions): AsyncIterable<CatalogEntry>;
  /** Exact id, or `latest`, or a unique prefix of at least 8 characters. */
  findSnapshot(id: string): Promise<Manifest>;
  /** Retention: the manifest goes to trash/, undo is `restoreFromTrash` (repository.md §3). Idempotent. */
  moveToTrash(snapshotId: string): Promise<void>;
  restoreFromTrash(snapshotId: string): Promise<void>;
  check(options: StructureCheckOptions): Promise<CheckReport>;
  /**
   * Frees the space that no snapshot needs (repository.md §8), in two steps that lie `graceMs` apart: a call deletes what earlier ones
   * condemned, and condemns. Never blocks a backup; may be stopped anywhere. Rejects with `repository_damaged`, having deleted nothing,
   * when it can't read what a snapshot needs, and with `repository_unsupported` when it doesn't know all of the repository's features.
   */
  collect(options?: CollectOptions): Promise<CollectReport>;
  /**
   * Has the storage refuse the removal of all that snapshots need before a certain time; where it has object lock. To be repeated
   * after each backup, because later backups refer to older packs.
   */
  lock(options?: LockOptions): Promise<LockReport>;
  /** Logs by stream and position, to be read like snapshots; damaged ones as their error. Their ranges may overlap. */
  logs(options?: LogsOptions): AsyncIterable<LogListing>;
  /** Retention of logs: like `moveToTrash`, and undone like it. Idempotent. */
  removeLog(stream: string, names: LogNames): Promise<void>;
  restoreLog(stream: string, names: LogNames): Promise<void>;
  /** All of a stream that ends at this position or before it; gives the names of the files. Names change, because collections merge small logs. */
  removeLogsBefore(stream: string, position: string, signal?: AbortSignal): Promise<string[]>;
  /** Rebuilds damaged, missing or wrong parts of the index from the packs' footers. */
  repairIndex(options?: RepairOptions): Promise<IndexRepair>;
  /** Sets damaged packs aside, saves what can still be read of them, and says which snapshots and objects are affected. */
  repairPacks(options?: PackRepairOptions): Promise<PackRepair>;
  /** Brings missing and damaged chunks from a repository that shares the identity secret. */
  healFrom(sibling: Repository, options?: HealOptions): Promise<HealReport>;
  /** Snapshot for snapshot; between siblings only missing chunks move. Repeatable and resumable. */
  copyTo(target: Repository, options?: CopyOptions): Promise<CopyReport>;
  stats(): Promise<RepositoryStats>;
  /** Who works in it now, and its newest snapshots. */
  survey(options?: SurveyOptions): Promise<RepositorySurvey>;
}

/** An open repository: the only thing that others see of the engine. */
export interface Repository extends WritableRepository {
  /** For the server, which keeps them sealed. */
  exportSecrets(): { masterKey: Buffer; identitySecret: Buffer };
  /** For a worker that only makes backups. */
  exportWriteOnlyCredential(): WriteOnlyCredential;
  /**
   * Takes back what rests on a writer's word alone: proves its packs with the master key, sets aside what lies, says which snapshots
   * are affected. Take its credential and its access to the storage away first.
   */
  distrust(whom: Distrusted, options?: DistrustOptions): Promise<DistrustReport>;
  /** The ways in: list, add, replace, remove, verify. */
  readonly keys: Keyring;
  /** Puts a reader's lease. */
  beginReading(options?: { signal?: AbortSignal }): Promise<ReadSession>;
  check(options: CheckOptions): Promise<CheckReport>;
}

export type SnapshotListing = { ok: true; id: string; manifest: Manifest; storedAt: Date } | { ok: false; id: string; error: Error };

export interface WriteSession extends AsyncDisposable {
  /**
   * Streams one object: cut, deduplicate, compress, seal, pack, upload, with back-pressure. Several calls may run at once.
   * `facts` is called once after the stream's end. Rejects when the source throws; the object is then in no manifest.
   */
  writeObject(description: ObjectDescription, source: AsyncIterable<Uint8Array>, facts?: () => ObjectFacts): Promise<StoredObject>;
  progress(): WriteProgress;
  /** Puts the manifest: afterwards, and only then, the snapshot exists. Repeatable with the same snapshot id and content. */
  commit(snapshotId: string, facts: SnapshotFacts, objects: StoredObject[]): Promise<Manifest>;
  /**
   * The same for a piece of a continuous log, as often as one likes in one session, which should live for less than a quarter of an hour.
   * `first` and `last` are positions as text: all of one stream have one length, so that the order of names is that of the log.
   */
  commitLog(stream: string, names: LogNames, facts: LogFacts, objects: StoredObject[]): Promise<LogManifest>;
  /** Without a commit: leaves unreferenced packs to the collection and removes the lease. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ReadOptions {
  /** Recompute each chunk's id besides the hash of the whole. */
  verifyChunks?: boolean;
  signal?: AbortSignal;
}

/** Where an object is written to; a file handle of Node's is one. May take less than it is given. */
export interface WritableFile {
  writev(pieces: Buffer[], position: number): Promise<{ bytesWritten: number }>;
}

export interface ObjectChunk {
  /** Hex. */
  id: string;
  length: number;
}

export interface ObjectPiece {
  offset: number;
  bytes: Buffer;
}

export interface ReadSession extends AsyncDisposable {
  /**
   * Authenticated bytes in order; at the end of a whole read the object's SHA-256 is compared, else `repository_damaged`. They are
   * lent: a piece is used or copied before the next one is asked for. Several objects may be read at once.
   */
  readObject(object: StoredObject, options?: ReadOptions & { range?: ByteRange }): AsyncIterable<Buffer>;
  /** The object's chunks in order; equal ids mean equal bytes, also in repositories that share the identity secret. */
  objectChunks(object: StoredObject, options?: ReadOptions): AsyncIterable<ObjectChunk>;
  /**
   * Some spans of an object, ascending and apart from each other, in one go through its chunk list and with the same read-ahead. Each
   * piece says where it lies; each chunk is compared with its id, because a part has no hash of its own. Pieces are lent.
   */
  readSpans(object: StoredObject, spans: readonly ByteRange[], options?: ReadOptions): AsyncIterable<ObjectPiece>;
  /**
   * Writes a whole object into the file, from its start on and without gaps; faster than writing what `readObject` gives. When it
   * resolves, all is written, though not synced, and the SHA-256 was compared; what a rejected call wrote is of no use. Rejects with
   * the file's own error as it is.
   */
  readObjectInto(object: StoredObject, file: WritableFile, options?: ReadOptions): Promise<void>;
}

export interface CheckOptions {
  /**
   * structure = manifests open, recipes resolve, chunks have homes, packs exist with their sizes (BASIC also reads footers);
   * read-data = pack names against their content; deep = every frame and chunk decoded.
   */
  level: 'structure' | 'read-data' | 'deep';
  /** Limits the check to these snapshots' packs and chunks, or these logs', by the names of their files. */
  snapshots?: string[];
  /** `read-data` and `deep` read this part of the packs only; of the others they check the structure. */
  share?: CheckShare;
  signal?: AbortSignal;
  onProgress?: (progress: { checkedBytes: number; totalBytes: number }) => void;
}

/** A check that opens no frame of data. */
export type StructureCheckOptions = CheckOptions & { level: Exclude<CheckOptions['level'], 'deep'> };

export interface CheckProblem {
  severity: 'damage' | 'orphan' | 'notice';
  /** Name of the file in the storage. */
  file: string;
  message: string;
  /** What is affected, as id of the snapshot and object keys; of a log the name of its file (`logs/…`), which no snapshot's id can be. */
  affects: { snapshot: string; objects: string[] }[];
}

export interface CheckReport {
  level: CheckOptions['level'];
  healthy: boolean;
  snapshots: number;
  /** Manifests of logs that stand. */
  logs: number;
  packs: number;
  chunks: number;
  /** Copies of chunks beyond the first. */
  duplicateChunks: number;
  /** What was really read of the storage. */
  checkedBytes: number;
  /** Packs, and their bytes, that were read whole, of those that are there; `structure` reads none whole. */
  coverage: { packs: number; totalPacks: number; bytes: number; totalBytes: number; share?: CheckShare };
  /** Packs that nothing refers to, expired leases and the like. */
  orphanPacks: number;
  problems: CheckProblem[];
}

export interface CollectOptions {
  /** Changes nothing; reports what a call would do now. */
  dryRun?: boolean;
  /** How long a condemned pack is kept. Default 24 h; at least two lives of a lease (1 h). */
  graceMs?: number;
  /** How long a snapshot stays in the trash, so that its removal can be undone. Default 7 days. */
  undoPeriodMs?: number;
  signal?: AbortSignal;
}

interface PackAmount {
  packs: number;
  /** Of their files. */
  bytes: number;
}

export interface CollectReport {
  dryRun: boolean;
  /** With those in the trash. */
  snapshots: number;
  /** Manifests of logs, with those in the trash. */
  logs: number;
  chunks: number;
  liveChunks: number;
  /** Chunks that snapshots or logs need and no pack holds: a check tells which. */
  missingChunks: number;
  deleted: PackAmount;
  /** Condemned earlier, but needed again. */
  rescued: PackAmount;
  /** Condemned earlier; not yet to be deleted. */
  waiting: PackAmount;
  /** Not or hardly needed, but locked by the storage: a later call takes them when their time is over. */
  locked: PackAmount;
  /** Sessions that began before a condemnation and still run. */
  waitingFor: string[];
  /** dead = no snapshot needs it; sparse = less than half is needed, which is copied; small = merged; unreadable = its footer doesn't open. */
  condemned: Record<'dead' | 'sparse' | 'small' | 'unreadable', PackAmount & { liveBytes: number }>;
  /** Hardly needed packs of data, which stay because only the master key could copy what is needed of them; `liveBytes` is that. */
  unopened: PackAmount & { liveBytes: number };
  /** New packs with the live chunks of condemned ones. */
  copied: PackAmount & { chunks: number };
  /** Packs that no index segment named. */
  adoptedPacks: number;
  /** Ids of those whose time in the trash was over. */
  purgedSnapshots: string[];
  /** The same of logs, as the names of their files. */
  purgedLogs: string[];
  /** Manifests of logs that became part of another one. */
  mergedLogs: number;
  expiredLeases: number;
  replacedSegments: number;
  /** Packs that should have been rewritten, but can't be read. */
  unreadable: { file: string; message: string }[];
}

export interface RepositoryStats {
  snapshots: number;
  /** Manifests of logs. */
  logs: number;
  packs: number;
  storedBytes: number;
  uniqueChunks: number;
  logicalBytes: number;
}
