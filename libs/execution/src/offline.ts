import { resolve } from 'node:path';
import type { BlobStore } from '@rahat/blob-store-port';
import type { BackupOutline, ObjectName, RestoreOutline, TableExport } from '@rahat/connector-kit';
import { openBlobStore } from '@rahat/blob-store-registry';
import {
  isS3Address,
  newId,
  type Merge,
  type Recovery,
  parseS3Address,
  type RepositorySnapshot,
  type RestoreEvidence,
  type RestoreTarget,
  type RunSecrets,
  type TableName,
  type VerificationEvidence,
  type VerificationLevel,
} from '@rahat/contracts';
import { createRepository, openRepository, type Repository, type SlotCredential, type SnapshotListing } from '@rahat/repository';
import { browseSnapshot, exportSnapshotTable, snapshotDdl, snapshotGlobals } from './browse.js';
import { compareSnapshots, type ComparisonOrder, type ComparisonReport } from './compare.js';
import type { SourceConnection } from './connectors.js';
import { inspectSnapshot, type Inspection, type InspectionOrder } from './inspection.js';
import { listLogStreams, type OfflineLogStream, onlyStreamOf } from './offline-logs.js';
import { type OfflineOptions, withScratch } from './offline-scratch.js';
import { outlineSnapshot } from './questions.js';
import { restoreSnapshot, type RestoreWork } from './restore.js';
import { verifySnapshot } from './verification.js';

export interface OfflineRestore {
  /** Id, `latest`, or a unique prefix. */
  snapshot: string;
  target: RestoreTarget;
  /** Of a physical backup: which of its databases goes into the one that is the target. */
  fromDatabase?: string;
  /** The server to restore to; not needed for a folder. */
  connection?: SourceConnection;
  tables?: TableName[];
  intoExisting?: boolean;
  /** Into the database that the target names, which is in use. */
  merge?: Merge;
  noOwner?: boolean;
  noAcl?: boolean;
  /** Of a physical backup: `stream` absent = the only one of its server that the repository holds. */
  recovery?: Omit<Recovery, 'stream'> & { stream?: string };
}

/** A repository in a folder, opened by what a person holds: no server of ours is needed. */
export interface OfflineRepository {
  readonly id: string;
  /** The engine itself: checks, repairs, copies. */
  readonly engine: Repository;
  /** Oldest first; an unreadable one is listed as such. */
  snapshots(): AsyncIterable<RepositorySnapshot>;
  /** What it holds of continuous logs. */
  logs(): Promise<OfflineLogStream[]>;
  verify(snapshot: string, level: VerificationLevel, options?: OfflineOptions): Promise<VerificationEvidence>;
  restore(order: OfflineRestore, options?: OfflineOptions): Promise<RestoreEvidence>;
  /** A physical backup as a server to look at, for as long as `look` takes. */
  inspect<T>(order: InspectionOrder, look: (inspection: Inspection) => Promise<T>, options?: OfflineOptions): Promise<T>;
  /** What a restore would do; looks only. */
  outline(order: OfflineRestore, options?: OfflineOptions): Promise<RestoreOutline>;
  /** Schemas, tables, rows and sizes. */
  browse(snapshot: string, options?: OfflineOptions): Promise<BackupOutline>;
  ddl(snapshot: string, object: ObjectName, options?: OfflineOptions): Promise<string>;
  /** Roles and tablespaces as SQL, or one table as a file; `write` copies what it keeps. */
  download(
    snapshot: string,
    what: 'globals' | TableExport,
    write: (bytes: Buffer) => Promise<void>,
    options?: OfflineOptions,
  ): Promise<void>;
  compare(order: ComparisonOrder, options?: OfflineOptions): Promise<ComparisonReport>;
}

/** `place` is the repository's own: the folder with `rahat.json`, or its address in a bucket (`s3://…`, see `parseS3Address`). */
export async function openOfflineRepository(place: string, credential: SlotCredential): Promise<OfflineRepository> {
  return present(await openRepository(await openPlace(place), credential));
}

/** An empty place becomes a repository; with a sibling, copies between the two move only what is missing. */
export async function createOfflineRepository(place: string, passphrase: string, sibling?: OfflineRepository): Promise<OfflineRepository> {
  const identitySecret = sibling?.engine.exportSecrets().identitySecret;
  return present(await createRepository(await openPlace(place), { passphrase, identitySecret }));
}

function openPlace(place: string): Promise<BlobStore> {
  return openBlobStore(isS3Address(place) ? parseS3Address(place, process.env) : { driver: 'local', path: resolve(place) }, '');
}

function present(repository: Repository): OfflineRepository {
  return {
    id: repository.id,
    engine: repository,
    snapshots: () => listSnapshots(repository),
    logs: () => listLogStreams(repository),
    async verify(snapshot, level, options = {}) {
      const { engine } = await repository.findSnapshot(snapshot);
      return withScratch(options, undefined, (execution) =>
        verifySnapshot({ repository, engine, level, snapshot }, { repositories: [] }, execution),
      );
    },
    async restore(order, options = {}) {
      const work = await restoreWork(repository, order);
      return withScratch(options, work.connection, (execution) => restoreSnapshot(work, secretsOf(work), execution));
    },
    async outline(order, options = {}) {
      const work = await restoreWork(repository, order);
      return withScratch(options, work.connection, (execution) => outlineSnapshot(work, secretsOf(work), execution));
    },
    inspect: (order, look, options = {}) =>
      withScratch(options, undefined, (execution) => inspectSnapshot(repository, order, look, execution)),
    browse: (snapshot, options = {}) => withScratch(options, undefined, (execution) => browseSnapshot(repository, snapshot, execution)),
    ddl: (snapshot, object, options = {}) =>
      withScratch(options, undefined, (execution) => snapshotDdl(repository, snapshot, object, execution)),
    download: (snapshot, what, write, options = {}) =>
      withScratch(options, undefined, async (execution) => {
        const pieces =
          what === 'globals'
            ? snapshotGlobals(repository, snapshot, execution)
            : exportSnapshotTable(repository, snapshot, what, execution);
        for await (const piece of pieces) await write(piece);
      }),
    compare(order, options = {}) {
      const connection = typeof order.newer === 'string' ? undefined : order.newer.connection;
      return withScratch(options, connection, (execution) => compareSnapshots(repository, order, execution));
    },
  };
}

async function restoreWork(repository: Repository, { connection, recovery: wanted, ...what }: OfflineRestore): Promise<RestoreWork> {
  const { engine, server } = await repository.findSnapshot(what.snapshot);
  const recovery = wanted && { ...wanted, stream: wanted.stream ?? (await onlyStreamOf(repository, server)) };
  const order = { intoExisting: false, noOwner: false, noAcl: false, ...what, recovery, engine, run: newId('run'), attempt: 1 };
  return { repository, order, connection };
}

function secretsOf({ connection }: RestoreWork): RunSecrets {
  return { target: connection, repositories: [] };
}

async function* listSnapshots(repository: Repository): AsyncIterable<RepositorySnapshot> {
  for await (const listing of repository.snapshots()) yield presentSnapshot(listing);
}

export function presentSnapshot(listing: SnapshotListing): RepositorySnapshot {
  if (!listing.ok) {
    const code = 'code' in listing.error ? String(listing.error.code) : 'repository_damaged';
    return { readable: false, id: listing.id, error: { code, message: listing.error.message } };
  }
  const {
    createdAt,
    consistentAt,
    server,
    database,
    engine,
    method,
    label,
    parent = null,
    objects,
    sizeBytes,
    addedBytes,
    run,
  } = listing.manifest;
  return {
    readable: true,
    id: listing.id,
    createdAt,
    consistentAt,
    serverName: server.name,
    databaseName: database?.name ?? null,
    engine,
    method,
    label,
    parent,
    objects: objects.length,
    sizeBytes,
    addedBytes,
    run,
  };
}
