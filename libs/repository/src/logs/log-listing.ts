import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { LOGS_PREFIX, TRASH_PREFIX } from '../layout.js';
import { listManifestFiles, ManifestRounds, type ListedManifest } from '../manifests/listed-manifests.js';
import { standingName } from '../manifests/manifest-ids.js';
import { openLog } from './log-files.js';
import type { LogListing, LogsOptions } from './log-manifest.js';
import { logPlace, streamPrefix } from './log-names.js';

/** Manifests that are fetched at the same time; a storage far away answers each of them slowly. */
const AT_ONCE = 8;

/**
 * By stream, then by position; what was merged while they were read comes at the end. Ranges may overlap: two followers may have been
 * at work, and a merged manifest stands for a while beside what went into it.
 */
export async function* listLogs(context: RepositoryContext, options: LogsOptions): AsyncGenerator<LogListing> {
  const rounds = new ManifestRounds(context.store, wantedLogs(context, options));
  while (rounds.isOpen()) {
    const ahead: Promise<LogListing | undefined>[] = [];
    try {
      for await (const listed of rounds.next()) {
        throwIfCancelled(options.signal);
        if (!isWanted(listed, options)) continue;
        const listing = readListing(context, listed, { rounds, options });
        // Whoever awaits it sees the error; one that is never come to must not end the process.
        listing.catch(() => undefined);
        ahead.push(listing);
        if (ahead.length < AT_ONCE) continue;
        const oldest = await ahead.shift();
        if (oldest) yield oldest;
      }
      for (const listing of ahead) {
        const next = await listing;
        if (next) yield next;
      }
    } finally {
      // Who has found what he looked for goes on to something else, and no more is under way at once than may be.
      await Promise.allSettled(ahead);
    }
  }
}

function wantedLogs({ store }: RepositoryContext, { stream, trash }: LogsOptions): AsyncIterable<ListedManifest> {
  const prefix = stream === undefined ? LOGS_PREFIX : streamPrefix(stream);
  return listManifestFiles(store, [trash ? `${TRASH_PREFIX}${prefix}` : prefix]);
}

function isWanted({ id }: ListedManifest, { from }: LogsOptions): boolean {
  const { first, last } = logPlace(id);
  return from === undefined || last > from || first >= from;
}

/** undefined where it doesn't stand there any more. */
async function readListing(
  context: RepositoryContext,
  { id, name, storedAt }: ListedManifest,
  { rounds, options: { trash, signal } }: { rounds: ManifestRounds; options: LogsOptions },
): Promise<LogListing | undefined> {
  const { store } = context;
  const place = { ...logPlace(id), storedAt };
  try {
    // What stands in both places isn't removed.
    if (trash && (await store.stat(standingName(id), { signal }))) return undefined;
    return { ...place, ok: true, manifest: openLog(context, id, await store.get(name, undefined, { signal })) };
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    if (error.code === 'blob_not_found') {
      if (!trash) rounds.noteAbsent(id);
      return undefined;
    }
    if (error.code.startsWith('repository_')) return { ...place, ok: false, error };
    // A storage that doesn't answer is no statement about the log.
    throw error;
  }
}
