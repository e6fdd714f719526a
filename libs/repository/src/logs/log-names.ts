import { LOGS_PREFIX } from '../layout.js';
import { assertManifestId } from '../manifests/manifest-ids.js';
import type { LogNames, LogPlace } from './log-manifest.js';

export function logIdOf(stream: string, { first, last }: LogNames): string {
  return `${LOGS_PREFIX}${stream}/${first}_${last}`;
}

/** Rejects with `invalid_input` what can't be a file's name. */
export function checkedLogId(stream: string, names: LogNames): string {
  const id = logIdOf(stream, names);
  assertManifestId(id);
  return id;
}

export function streamPrefix(stream: string): string {
  return `${LOGS_PREFIX}${stream}/`;
}

export function streamOf(id: string): string {
  return id.slice(LOGS_PREFIX.length, id.lastIndexOf('/'));
}

export function logPlace(id: string): LogPlace {
  const [first, last] = id.slice(id.lastIndexOf('/') + 1).split('_');
  return { id, stream: streamOf(id), first: first ?? '', last: last ?? '' };
}
