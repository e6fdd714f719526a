import type { BlobStore } from '@rahat/blob-store-port';
import type { RepositoryContext } from '../context.js';
import { LOGS_PREFIX, SNAPSHOTS_PREFIX, TRASH_PREFIX } from '../layout.js';
import { untilListed } from '../listing-lag.js';
import { streamOf, streamPrefix } from '../logs/log-names.js';
import { isLogId, manifestIdOf } from './manifest-ids.js';

export interface ListedManifest {
  id: string;
  /** Of its file, when it was listed. */
  name: string;
  storedAt: Date;
}

/** Of snapshots and logs, as their names or beginnings of names are listed. */
export async function* listManifestFiles(
  store: BlobStore,
  prefixes: string[] = [SNAPSHOTS_PREFIX, LOGS_PREFIX, TRASH_PREFIX],
): AsyncGenerator<ListedManifest> {
  for (const prefix of prefixes) {
    for await (const { name, modifiedAt } of store.list(prefix)) yield { id: manifestIdOf(name), name, storedAt: modifiedAt };
  }
}

/**
 * Those that stand below these prefixes and those in the trash, each at least once. A removal moves a manifest from the one place to
 * the other, an undo back: between listing the one and the other it would be seen in neither, so what stands is listed twice. Both
 * put the manifest before they take its source away; what is listed at least as late as listings lag shows it in one of the places.
 */
export async function* listMovingManifests(
  context: RepositoryContext,
  { standing, trash }: { standing: string[]; trash: string },
): AsyncGenerator<ListedManifest> {
  const { store, protocol } = context;
  yield* listManifestFiles(store, standing);
  await untilListed(context);
  if (protocol.trashIsLive) yield* listManifestFiles(store, [trash]);
  await untilListed(context);
  if (protocol.snapshotsListedAgain) yield* listManifestFiles(store, standing);
}

/**
 * Goes through listed manifests, each once. A log that stands no more when its turn comes may have been merged into another one
 * since it was listed, which the listing may have missed: the merged manifest was put before any of its parts was removed, and its
 * first part, beside which it is listed, goes first. So whoever finds one absent lists its stream again.
 */
export class ManifestRounds {
  private readonly seen = new Set<string>();
  private readonly movedStreams = new Set<string>();
  private rounds = 0;

  constructor(
    private readonly store: BlobStore,
    private readonly listed: AsyncIterable<ListedManifest> | Iterable<ListedManifest>,
  ) {}

  /** Whether what comes now was not listed at first. */
  get isLate(): boolean {
    return this.rounds > 1;
  }

  /** Said of what doesn't stand where a manifest stands that wasn't taken away, until the next round is asked for. */
  noteAbsent(id: string): void {
    if (isLogId(id)) this.movedStreams.add(streamOf(id));
  }

  /** Until there is nothing left that could have been missed. */
  isOpen(): boolean {
    return this.rounds === 0 || this.movedStreams.size > 0;
  }

  async *next(): AsyncGenerator<ListedManifest> {
    const streams = [...this.movedStreams];
    this.movedStreams.clear();
    const listed = this.rounds++ === 0 ? this.listed : listManifestFiles(this.store, streams.map(streamPrefix));
    for await (const manifest of listed) {
      if (this.seen.has(manifest.id)) continue;
      this.seen.add(manifest.id);
      yield manifest;
    }
  }
}
