import { statfs } from 'node:fs/promises';
import { RahatError } from '@rahat/contracts';
import type { ArtifactSource } from './connector.js';

/** What the files of a physical backup take. Of a chain nobody knows it before: about what its full backup has. */
export function bytesOfFiles(source: ArtifactSource): number {
  let full = source;
  while (full.parent) full = full.parent;
  return full.artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Rejects with `scratch_full` where the folder's file system has less free than this. Asked before hours of work, which would fail at their end. */
export async function ensureRoom(folder: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new RahatError(
    'scratch_full',
    `There is not enough room for ${what}: about ${inMegabytes(bytes)} are needed in ${folder}, and ${inMegabytes(free)} are free`,
    {
      hint: 'Free space there, or give the scratch folder more room (RAHAT_WORKER_SCRATCH; TMPDIR without the platform). Nothing was changed.',
    },
  );
}

export function inMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
