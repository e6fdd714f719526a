import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';

/** Where everything of one installation lies. */
export interface DataFolder {
  root: string;
  keys: string;
  logs: string;
  backups: string;
  postgresql: string;
  /** Scratch space of workers. */
  work: string;
  /** `{ url, pid, … }` of the running instance. */
  runtimeFile: string;
  lockFile: string;
}

/** Makes the folder and its parts, closed to other users. */
export function openDataFolder(location: string): DataFolder {
  const root = path.resolve(location);
  const folder = {
    root,
    keys: path.join(root, 'keys'),
    logs: path.join(root, 'logs'),
    backups: path.join(root, 'backups'),
    postgresql: path.join(root, 'postgresql'),
    work: path.join(root, 'work'),
    runtimeFile: path.join(root, 'runtime.json'),
    lockFile: path.join(root, 'instance.lock'),
  };
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // Root's PostgreSQL runs as another user, who must pass through (not list) this folder; what lies in it stays closed.
    chmodSync(root, process.getuid?.() === 0 ? 0o711 : 0o700);
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const part of [folder.keys, folder.logs, folder.backups, folder.work]) mkdirSync(part, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new RahatError('configuration_invalid', `The data folder ${root} cannot be used: ${reasonOf(cause)}`, {
      hint: `${isInTheWay(cause) ? 'Move that file away' : `Give the folder to the user that runs this (chown -R ${userInfo().username} ${root})`}, or set RAHAT_DATA_DIR to another folder.`,
      cause,
    });
  }
  return folder;
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EEXIST':
    case 'ENOTDIR':
      return 'a file of that name is in the way';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOSPC':
      return 'the disk is full';
    default:
      return (error as Error).message;
  }
}

function isInTheWay(error: unknown): boolean {
  return ['EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}
