import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import { damageIn } from '../check/frame-survey.js';
import { LiveMarker } from '../collection/live-marks.js';
import type { RepositoryContext } from '../context.js';
import { loadIndexForReading } from '../index/load-index.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { CONFIG_NAME, DESCRIPTOR_NAME, KEYS_PREFIX, LOGS_PREFIX, packName, SNAPSHOTS_PREFIX } from '../layout.js';
import { Lease } from '../leases/lease.js';
import { listManifestFiles } from '../manifests/listed-manifests.js';
import { called, standingName } from '../manifests/manifest-ids.js';
import { FileLocks } from './file-locks.js';
import type { LockOptions, LockReport } from './lock-reports.js';

interface LockedManifest {
  /** Of a snapshot or a log. */
  id: string;
  until: Date;
}

/**
 * Locks all that snapshots and logs need to be restored, by the storage's own object lock (repository.md §8): their manifests, the packs of
 * their chunks, the keyslots and the repository's description. Not the index, which the packs' footers tell as well. Which snapshots
 * are locked stands in the locks of their manifests and nowhere else, so it can't be lost, nor shortened. Manifests come first:
 * where a call is broken off, the next one sees what was meant and completes it.
 */
export async function lockSnapshots(context: RepositoryContext, options: LockOptions): Promise<LockReport> {
  const { dryRun = false } = options;
  throwIfCancelled(options.signal);
  if (!context.store.capabilities.objectLock)
    throw new RahatError('invalid_input', `${context.store.description} cannot lock files.`, {
      hint: 'Object lock is switched on for a bucket when it is made.',
    });
  // No collection deletes a pack between looking for it and locking it.
  const lease = dryRun ? undefined : await Lease.take(context, 'reader', 'lock of snapshots');
  try {
    const now = lease?.now() ?? context.clock.now();
    if (options.until && options.until <= now) throw new RahatError('invalid_input', 'The time until when to lock is over already.');
    const snapshots = await chooseSnapshots(context, options, now);
    return await new SnapshotLocks(context, new FileLocks(context, lease, options), options).lock(snapshots);
  } finally {
    await lease?.release().catch(() => undefined);
  }
}

/** The longest first. */
async function chooseSnapshots(
  context: RepositoryContext,
  { until, snapshots: wanted }: LockOptions,
  now: Date,
): Promise<LockedManifest[]> {
  const missing = new Set(wanted);
  const locked: LockedManifest[] = [];
  for await (const { id, name } of listManifestFiles(context.store, [SNAPSHOTS_PREFIX, LOGS_PREFIX])) {
    if (wanted && !missing.delete(id)) continue;
    const standing = (await context.store.stat(name))?.lockedUntil;
    const longest = until && standing ? new Date(Math.max(until.getTime(), standing.getTime())) : (until ?? standing);
    if (longest && longest > now) locked.push({ id, until: longest });
  }
  const [unknown] = missing;
  if (unknown !== undefined) throw new RahatError('snapshot_not_found', `There is no ${called(unknown)} in this repository.`);
  return locked.sort((a, b) => b.until.getTime() - a.until.getTime() || (a.id < b.id ? -1 : 1));
}

class SnapshotLocks {
  private readonly failed: LockReport['failed'] = [];

  constructor(
    private readonly context: RepositoryContext,
    private readonly files: FileLocks,
    private readonly options: LockOptions,
  ) {}

  async lock(snapshots: LockedManifest[]): Promise<LockReport> {
    const longest = snapshots[0]?.until;
    if (longest) {
      await this.files.hold(snapshots.map(({ id, until }) => ({ name: standingName(id), until })));
      await this.files.hold(await this.description(longest));
      using index = await loadIndexForReading(this.context);
      // The index itself isn't locked: what it has lost is told by the packs.
      await index.healing?.adoptUnindexed();
      await this.holdPacks(index, snapshots);
    }
    const { held, extended } = this.files;
    return {
      dryRun: this.options.dryRun ?? false,
      snapshots: snapshots.map(({ id, until }) => ({ snapshot: id, until: until.toISOString() })),
      held,
      extended,
      failed: this.failed,
    };
  }

  /** Without these nobody opens the repository. */
  private async description(until: Date): Promise<{ name: string; until: Date }[]> {
    const names = [DESCRIPTOR_NAME, CONFIG_NAME];
    for await (const { name } of this.context.store.list(KEYS_PREFIX)) names.push(name);
    return names.map((name) => ({ name, until }));
  }

  /** In the order of their times: what a pack is needed for first is what it is needed for longest. */
  private async holdPacks(index: RepositoryIndex, snapshots: LockedManifest[]): Promise<void> {
    const marker = new LiveMarker(this.context, index, this.options.signal);
    const seen = new Uint8Array(index.packs.length);
    for (const [done, { id, until }] of snapshots.entries()) {
      const message = await this.mark(marker, id);
      const needed = index.packs.flatMap(({ hash }, pack) => {
        if (seen[pack] || marker.marks.liveBytes[pack] === 0) return [];
        seen[pack] = 1;
        return [{ name: packName(hash), until }];
      });
      const vanished = await this.files.hold(needed);
      const trouble = message ?? (vanished[0] && `File ${vanished[0]} is missing.`);
      if (trouble) this.failed.push({ snapshot: id, message: trouble });
      this.options.onProgress?.({ done: done + 1, total: snapshots.length });
    }
  }

  /** What is wrong with the snapshot or log, if anything. */
  private async mark(marker: LiveMarker, id: string): Promise<string | undefined> {
    const missingBefore = marker.marks.missingChunks;
    try {
      await marker.markManifest(id);
    } catch (error) {
      return damageIn(error).message;
    }
    const missing = marker.marks.missingChunks - missingBefore;
    return missing > 0 ? `${missing} chunks of it are in no pack.` : undefined;
  }
}
