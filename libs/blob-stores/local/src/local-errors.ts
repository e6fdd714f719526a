import { RahatError } from '@rahat/contracts';

/** What the operating system said → what the port promises, with the path and the next step. */
export function localError(error: unknown, action: string, path: string): RahatError {
  if (error instanceof RahatError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  switch (code) {
    case 'ENOENT':
      return new RahatError('blob_not_found', `Could not ${action} ${path}: it is not there`, { cause: error });
    case 'EEXIST':
      return new RahatError('blob_exists', `Could not ${action} ${path}: it exists already`, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
      return new RahatError(
        'storage_full',
        `Could not ${action} ${path}: ${code === 'EDQUOT' ? 'the quota is used up' : 'no space is left on the disk'}`,
        { cause: error },
      );
    case 'EACCES':
    case 'EPERM':
      return new RahatError('storage_permission_denied', `Could not ${action} ${path}: permission denied`, {
        hint: `Let the user that runs Rahat Backup read and write ${path} and the folders above it.`,
        cause: error,
      });
    case 'EROFS':
      return new RahatError('storage_permission_denied', `Could not ${action} ${path}: the file system is mounted read-only`, {
        hint: 'Mount it writable.',
        cause: error,
      });
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ELOOP':
      return new RahatError('storage_unreachable', `Could not ${action} ${path}: a part of the path is not a folder`, {
        retryable: false,
        cause: error,
      });
    default:
      return new RahatError('storage_unreachable', `Could not ${action} ${path}: ${code || String(error)}`, {
        hint: 'Is the disk or the network mount there?',
        cause: error,
      });
  }
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}
