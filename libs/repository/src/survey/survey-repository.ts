import { throwIfCancelled } from '../bounded-store.js';
import { readEntry, type ListedManifest } from '../catalog/read-catalog.js';
import type { CatalogEntry } from '../catalog/catalog-entries.js';
import type { RepositoryContext } from '../context.js';
import { LOGS_PREFIX, SNAPSHOTS_PREFIX } from '../layout.js';
import { Lease } from '../leases/lease.js';
import { surveyLeases } from '../leases/lease-survey.js';
import { logPlace } from '../logs/log-names.js';
import { listManifestFiles } from '../manifests/listed-manifests.js';
import type { RepositorySurvey, RunningSession, SurveyedStream, SurveyOptions } from './repository-survey.js';

const NEWEST = 20;

/** Puts a reader's lease for the time of the look, as every session does; so it tells, too, whether the storage takes writes. */
export async function surveyRepository(context: RepositoryContext, { newest = NEWEST, signal }: SurveyOptions): Promise<RepositorySurvey> {
  const lease = await Lease.take(context, 'reader', 'survey');
  try {
    const { live } = await surveyLeases(context, lease, { removeExpired: false });
    const sessions = live.map(({ kind, holder, beganAtMs }): RunningSession => ({ kind, holder, beganAt: new Date(beganAtMs) }));
    let snapshots = 0;
    let last: ListedManifest[] = [];
    for await (const { name, modifiedAt } of context.store.list(SNAPSHOTS_PREFIX)) {
      throwIfCancelled(signal);
      snapshots++;
      last.push({ name, storedAt: modifiedAt });
      if (last.length >= 2 * newest) last = newestOf(last, newest);
    }
    const entries: CatalogEntry[] = [];
    for (const listed of newestOf(last, newest)) {
      throwIfCancelled(signal);
      const entry = await readEntry(context, listed, signal);
      if (entry) entries.push(entry);
    }
    return { sessions, snapshots, newest: entries, streams: await surveyStreams(context, signal) };
  } finally {
    await lease.release();
  }
}

async function surveyStreams({ store }: RepositoryContext, signal: AbortSignal | undefined): Promise<SurveyedStream[]> {
  const streams = new Map<string, SurveyedStream>();
  for await (const { id, storedAt } of listManifestFiles(store, [LOGS_PREFIX])) {
    throwIfCancelled(signal);
    const { stream, last } = logPlace(id);
    const known = streams.get(stream);
    const furthest = known && known.last > last ? known : { last, storedAt };
    streams.set(stream, { stream, logs: (known?.logs ?? 0) + 1, last: furthest.last, storedAt: furthest.storedAt });
  }
  return [...streams.values()];
}

function newestOf(listed: ListedManifest[], count: number): ListedManifest[] {
  return listed.toSorted((a, b) => b.storedAt.getTime() - a.storedAt.getTime()).slice(0, count);
}
