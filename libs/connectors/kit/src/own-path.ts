import { lstat } from 'node:fs/promises';

/** Whether it is there, no link, and of our own account: anybody can put something into a temporary folder that all share. */
export async function isOwnPath(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && !found.isSymbolicLink() && found.uid === process.getuid?.();
}
