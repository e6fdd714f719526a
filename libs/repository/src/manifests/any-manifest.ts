import type { RepositoryContext } from '../context.js';
import { openLog } from '../logs/log-files.js';
import type { LogManifest } from '../logs/log-manifest.js';
import { openManifest } from '../snapshots/manifest-files.js';
import type { Manifest } from '../snapshots/manifest.js';
import { isLogId } from './manifest-ids.js';

export type AnyManifest = Manifest | LogManifest;

export function openAnyManifest(context: RepositoryContext, id: string, file: Buffer): AnyManifest {
  return isLogId(id) ? openLog(context, id, file) : openManifest(context, id, file);
}
