import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { LogFacts } from '../logs/log-manifest.js';
import type { AnyManifest } from '../manifests/any-manifest.js';
import { RepositoryReadSession } from '../reading/read-session.js';
import { SnapshotFacts, type StoredObject } from '../snapshots/manifest.js';
import { RepositoryWriteSession, type WritingOptions } from '../writing/write-session.js';

/**
 * Copies snapshots by reading their objects and writing them like a backup, for repositories with different identity secrets.
 * The copy's commit date is that of the copying; when the source was in that state is kept (`consistentAt`).
 */
export async function copyByRechunking(
  source: RepositoryContext,
  target: RepositoryContext,
  options: WritingOptions,
): Promise<AsyncDisposable & { copy: (manifest: AnyManifest) => Promise<{ chunks: number; bytes: number }> }> {
  await using opened = new AsyncDisposableStack();
  const reader = opened.use(await RepositoryReadSession.begin(source, options.signal));
  const writer = opened.use(await RepositoryWriteSession.begin(target, options));
  const held = opened.move();
  return {
    async copy(manifest) {
      const objects: StoredObject[] = [];
      for (const object of manifest.objects) objects.push(await rewrite(object, reader, writer));
      if ('stream' in manifest) await writer.commitLog(manifest.stream, manifest, LogFacts.parse(manifest), objects);
      else await writer.commit(manifest.snapshot, SnapshotFacts.parse(manifest), objects);
      return wholeOf(objects);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** What rechunking goes through; how much of it the target has already shows only when it is cut. */
export function wholeOf(objects: StoredObject[]): { chunks: number; bytes: number } {
  return {
    chunks: objects.reduce((sum, { recipe }) => sum + ('chunks' in recipe ? recipe.chunks.length : recipe.count), 0),
    bytes: objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

async function rewrite(object: StoredObject, reader: RepositoryReadSession, writer: RepositoryWriteSession): Promise<StoredObject> {
  const { key, kind, order, rows, rowHash, meta } = object;
  const written = await writer.writeObject({ key, kind, order, class: object.class }, reader.readObject(object), () => ({
    rows,
    rowHash,
    meta,
  }));
  if (written.sha256 === object.sha256 && written.sizeBytes === object.sizeBytes) return written;
  throw new RahatError('repository_damaged', `Object ${JSON.stringify(key)} came to the other repository with other bytes.`);
}
