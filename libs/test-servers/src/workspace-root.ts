import { existsSync } from 'node:fs';
import path from 'node:path';

/** The checkout's root: the nearest folder above with the lock file of the whole workspace. */
export function workspaceRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'package-lock.json'))) {
    const above = path.dirname(folder);
    if (above === folder) throw new Error(`No package-lock.json above ${import.meta.dirname}`);
    folder = above;
  }
  return folder;
}
