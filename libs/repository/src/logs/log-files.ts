import type { RepositoryContext } from '../context.js';
import { openAs, sealAs } from '../manifests/sealed-manifest.js';
import { LogManifest } from './log-manifest.js';
import { logIdOf } from './log-names.js';

const OF_LOGS = { schema: LogManifest, ownId: (manifest: LogManifest): string => logIdOf(manifest.stream, manifest) };

export function sealLog(context: RepositoryContext, manifest: LogManifest): Buffer {
  return sealAs(context, { type: 'log', id: OF_LOGS.ownId(manifest) }, manifest);
}

export function openLog(context: RepositoryContext, id: string, file: Buffer): LogManifest {
  return openAs(context, { type: 'log', id }, file, OF_LOGS);
}
