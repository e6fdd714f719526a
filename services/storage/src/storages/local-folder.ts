import { mkdir, realpath, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';

/** Kernel and device trees, where a file is no file. */
const NO_PLACE_FOR_BACKUPS = ['/proc', '/sys', '/dev'];
const BACKUPS_FOLDER = 'backups';
/** A network mount whose server is gone never answers; a list must not wait for it. */
const SPACE_DEADLINE_MS = 2_000;

/**
 * Makes the folder when it is missing and gives its real path, without links: what is checked is what is used.
 * Refused: relative paths, the root, and the platform's own data, except for its folder `backups`.
 */
export async function prepareLocalFolder(wanted: string, dataFolder: string | undefined): Promise<string> {
  refusePlace(path.resolve(wanted), dataFolder);
  try {
    await mkdir(wanted, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw folderError(error, wanted);
  }
  const real = await realpath(wanted);
  refusePlace(real, dataFolder === undefined ? undefined : await realpath(dataFolder).catch(() => dataFolder));
  return real;
}

/** Also asked for the folder of each repository: a prefix must not lead into the platform's data either. */
export function refusePlace(folder: string, dataFolder: string | undefined): void {
  if (!path.isAbsolute(folder) || folder === '/')
    throw new RahatError('invalid_input', `${folder} cannot be a storage.`, { hint: 'Give the absolute path of a folder of its own.' });
  const tree = NO_PLACE_FOR_BACKUPS.find((root) => isInside(folder, root));
  if (tree !== undefined)
    throw new RahatError('invalid_input', `${folder} lies in ${tree}, which keeps no files.`, { hint: 'Give a folder on a disk.' });
  if (dataFolder !== undefined && isInside(folder, dataFolder) && !isInside(folder, path.join(dataFolder, BACKUPS_FOLDER))) {
    throw new RahatError('invalid_input', `${folder} lies in the platform's own data folder.`, {
      hint: `Use a folder outside of it, or ${path.join(dataFolder, BACKUPS_FOLDER)}.`,
    });
  }
}

/** `folder` itself counts as inside. */
export function isInside(folder: string, root: string): boolean {
  const way = path.relative(root, folder);
  return way === '' || (way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way));
}

/** Undefined when the folder is not reachable at the moment. */
export async function spaceOf(folder: string): Promise<{ freeBytes: number; totalBytes: number } | undefined> {
  try {
    const answer = await Promise.race([statfs(folder), sleep(SPACE_DEADLINE_MS, undefined, { ref: false })]);
    if (answer === undefined) return undefined;
    const { bavail, blocks, bsize } = answer;
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

function folderError(error: unknown, folder: string): RahatError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new RahatError('storage_permission_denied', `Could not make the folder ${folder}: permission denied.`, {
      hint: 'Make it yourself and let the user that runs Rahat Backup write into it.',
      cause: error,
    });
  }
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return new RahatError('invalid_input', `${folder} is a file, or lies under one.`, { hint: 'Give the path of a folder.', cause: error });
  if (code === 'ENOSPC') return new RahatError('storage_full', `Could not make the folder ${folder}: no space left.`, { cause: error });
  return new RahatError('storage_unreachable', `Could not make the folder ${folder}: ${(error as Error).message}`, { cause: error });
}
