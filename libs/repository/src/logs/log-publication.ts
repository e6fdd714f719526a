import type { RepositoryContext } from '../context.js';
import { areSame, type Publication } from '../writing/publish-manifest.js';
import { openLog, sealLog } from './log-files.js';
import type { LogManifest } from './log-manifest.js';
import { logIdOf } from './log-names.js';

export function logPublication(context: RepositoryContext, manifest: LogManifest): Publication<LogManifest> {
  const id = logIdOf(manifest.stream, manifest);
  const file = sealLog(context, manifest);
  const open = (other: Buffer): LogManifest => openLog(context, id, other);
  return { id, manifest, file, open, isSameContent: (other) => areSame(contentOf(other), contentOf(manifest)) };
}

/** The bytes of the log alone: a follower that takes the place of another one may come to the same end of a range. */
function contentOf({ range: { timeline, start, end }, objects }: Pick<LogManifest, 'range' | 'objects'>): object {
  return { timeline, start, end, objects: objects.map(({ key, sizeBytes, sha256 }) => ({ key, sizeBytes, sha256 })) };
}
