import { RahatError } from '@rahat/contracts';

const SEGMENT = /^[a-z0-9_-][a-z0-9._-]*$/;

/** Whether a name keeps the port's rule. Segments never start with a dot: no `..`, and hidden files of a system are not ours. */
export function isBlobName(name: string): boolean {
  return name.length > 0 && name.length <= 200 && name.split('/').every((segment) => SEGMENT.test(segment));
}

/** Every driver calls this first, so that no name can leave its place in the storage. */
export function assertBlobName(name: string): void {
  if (isBlobName(name)) return;
  throw new RahatError('invalid_input', `${JSON.stringify(name)} is not a name that a storage can keep`, {
    hint: 'Names are parts of a-z, 0-9, ".", "_" and "-" joined by "/", at most 200 bytes; no part starts with a dot.',
  });
}

const PREFIX = /^[a-z0-9./_-]{0,200}$/;

export function assertBlobPrefix(prefix: string): void {
  if (PREFIX.test(prefix) && !prefix.startsWith('/') && !prefix.split('/').some((segment) => segment.startsWith('.'))) return;
  throw new RahatError('invalid_input', `${JSON.stringify(prefix)} is not a prefix of names in a storage`);
}

/** Rejects with the run's own reason, so that a cancelled call says why. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw signal.reason instanceof RahatError
    ? signal.reason
    : new RahatError('cancelled', 'The call to the storage was cancelled', { cause: signal.reason });
}
