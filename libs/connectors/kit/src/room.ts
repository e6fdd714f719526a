import { statfs } from 'node:fs/promises';
import { RahatError } from '@rahat/contracts';

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

function inMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
