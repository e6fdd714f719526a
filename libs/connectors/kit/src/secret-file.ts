import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A file that has no name any more: a child that inherits the descriptor reads it as `/dev/fd/N`, nobody else can open it
 * by path, and it is gone with the last descriptor. libpq wants a regular file of mode 0600 (engines.md §2).
 */
export function openSecretFile(content: string, scratchFolder: string): { descriptor: number; [Symbol.dispose](): void } {
  const folder = existsSync('/dev/shm') ? '/dev/shm' : scratchFolder;
  const path = join(folder, `.rahat-${randomBytes(12).toString('hex')}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  try {
    unlinkSync(path);
    writeSync(descriptor, content);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
}
