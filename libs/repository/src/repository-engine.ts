import { RahatError, type WriteOnlyCredential } from '@rahat/contracts';
import type { CatalogEntry, CatalogOptions } from './catalog/catalog-entries.js';
import { readCatalog } from './catalog/read-catalog.js';
import { checkRepository } from './check/check.js';
import { collectGarbage } from './collection/collect.js';
import type { CopyOptions, CopyReport } from './copy/copy-reports.js';
import { copySnapshots } from './copy/copy-snapshots.js';
import { distrust } from './distrust/distrust.js';
import type { Distrusted, DistrustOptions, DistrustReport } from './distrust/distrust-report.js';
import type { LockOptions, LockReport } from './object-lock/lock-reports.js';
import { lockSnapshots } from './object-lock/lock-snapshots.js';
import { healFrom } from './repair/heal.js';
import { repairIndex } from './repair/repair-index.js';
import { repairPacks } from './repair/repair-packs.js';
import type { HealOptions, HealReport, IndexRepair, PackRepair, PackRepairOptions, RepairOptions } from './repair/repair-reports.js';
import type { RepositoryContext } from './context.js';
import { loadIndexForReading } from './index/load-index.js';
import type { RepositorySecrets } from './keys/derivation.js';
import { RepositoryKeyring, type Keyring } from './keys/keyring.js';
import { writeOnlyCredential } from './keys/write-only.js';
import { PACKS_PREFIX } from './layout.js';
import { listLogs } from './logs/log-listing.js';
import type { LogListing, LogNames, LogsOptions } from './logs/log-manifest.js';
import { checkedLogId } from './logs/log-names.js';
import { removeLogsBefore } from './logs/remove-logs.js';
import { RepositoryReadSession } from './reading/read-session.js';
import type {
  CheckOptions,
  CheckReport,
  CollectOptions,
  CollectReport,
  ReadSession,
  Repository,
  RepositoryStats,
  SnapshotListing,
  WritableRepository,
  WriteSession,
} from './repository.js';
import type { Manifest } from './snapshots/manifest.js';
import { findSnapshot, listSnapshots } from './snapshots/snapshot-listing.js';
import type { RepositorySurvey, SurveyOptions } from './survey/repository-survey.js';
import { surveyRepository } from './survey/survey-repository.js';
import { moveToTrash, restoreFromTrash } from './trash/trash.js';
import { RepositoryWriteSession, type WritingOptions } from './writing/write-session.js';

/** What every credential allows. */
export class WriteOnlyRepository implements WritableRepository {
  readonly id: string;

  constructor(protected readonly context: RepositoryContext) {
    this.id = context.repositoryId.toString('hex');
  }

  beginWriting(options: WritingOptions): Promise<WriteSession> {
    return RepositoryWriteSession.begin(this.context, options);
  }

  snapshots(): AsyncIterable<SnapshotListing> {
    return listSnapshots(this.context);
  }

  catalog(options: CatalogOptions = {}): AsyncIterable<CatalogEntry> {
    return readCatalog(this.context, options);
  }

  findSnapshot(id: string): Promise<Manifest> {
    return findSnapshot(this.context, id);
  }

  moveToTrash(snapshotId: string): Promise<void> {
    return moveToTrash(this.context, snapshotId);
  }

  restoreFromTrash(snapshotId: string): Promise<void> {
    return restoreFromTrash(this.context, snapshotId);
  }

  logs(options: LogsOptions = {}): AsyncIterable<LogListing> {
    return listLogs(this.context, options);
  }

  async removeLog(stream: string, names: LogNames): Promise<void> {
    await moveToTrash(this.context, checkedLogId(stream, names));
  }

  async restoreLog(stream: string, names: LogNames): Promise<void> {
    await restoreFromTrash(this.context, checkedLogId(stream, names));
  }

  removeLogsBefore(stream: string, position: string, signal?: AbortSignal): Promise<string[]> {
    return removeLogsBefore(this.context, { stream, position }, signal);
  }

  async check(options: CheckOptions): Promise<CheckReport> {
    if (options.level === 'deep' && !this.context.keys.packPrivate) {
      throw new RahatError(
        'master_key_needed',
        'A deep check decodes the data of all writers, which a write-only credential does not open.',
      );
    }
    return checkRepository(this.context, options);
  }

  collect(options: CollectOptions = {}): Promise<CollectReport> {
    return collectGarbage(this.context, options);
  }

  lock(options: LockOptions = {}): Promise<LockReport> {
    return lockSnapshots(this.context, options);
  }

  repairIndex(options?: RepairOptions): Promise<IndexRepair> {
    return repairIndex(this.context, options);
  }

  repairPacks(options?: PackRepairOptions): Promise<PackRepair> {
    return repairPacks(this.context, options);
  }

  healFrom(sibling: Repository, options?: HealOptions): Promise<HealReport> {
    return healFrom(this.context, OpenRepository.contextOf(sibling), options);
  }

  copyTo(target: Repository, options?: CopyOptions): Promise<CopyReport> {
    return copySnapshots(this.context, OpenRepository.contextOf(target), options);
  }

  /** Only what this engine opened can be read from and written to beneath its public face. */
  static contextOf(repository: Repository): RepositoryContext {
    if (repository instanceof OpenRepository) return repository.context;
    throw new RahatError('internal', 'The other repository was not opened by this engine.');
  }

  survey(options: SurveyOptions = {}): Promise<RepositorySurvey> {
    return surveyRepository(this.context, options);
  }

  async stats(): Promise<RepositoryStats> {
    const stats: RepositoryStats = { snapshots: 0, logs: 0, packs: 0, storedBytes: 0, uniqueChunks: 0, logicalBytes: 0 };
    for await (const listing of this.snapshots()) {
      stats.snapshots++;
      if (listing.ok) stats.logicalBytes += listing.manifest.sizeBytes;
    }
    for await (const listing of this.logs()) {
      stats.logs++;
      if (listing.ok) stats.logicalBytes += listing.manifest.sizeBytes;
    }
    for await (const { sizeBytes } of this.context.store.list(PACKS_PREFIX)) {
      stats.packs++;
      stats.storedBytes += sizeBytes;
    }
    using index = await loadIndexForReading(this.context);
    stats.uniqueChunks = index.chunks.size;
    return stats;
  }
}

export class OpenRepository extends WriteOnlyRepository implements Repository {
  readonly keys: Keyring;

  constructor(
    context: RepositoryContext,
    private readonly secrets: RepositorySecrets,
  ) {
    super(context);
    this.keys = new RepositoryKeyring(context, secrets);
  }

  exportSecrets(): RepositorySecrets {
    return { masterKey: Buffer.from(this.secrets.masterKey), identitySecret: Buffer.from(this.secrets.identitySecret) };
  }

  exportWriteOnlyCredential(): WriteOnlyCredential {
    return writeOnlyCredential(this.id, this.secrets);
  }

  distrust(whom: Distrusted, options?: DistrustOptions): Promise<DistrustReport> {
    return distrust(this.context, whom, options);
  }

  beginReading(options: { signal?: AbortSignal } = {}): Promise<ReadSession> {
    return RepositoryReadSession.begin(this.context, options.signal);
  }
}
