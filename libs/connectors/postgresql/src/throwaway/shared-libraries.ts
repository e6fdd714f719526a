import { readFile, symlink, mkdir, access } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';

const LinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * The embedded servers' package lists its library links in a file and makes them in an install script. Where scripts were
 * not run the servers cannot start, so the missing links are made here: beside the libraries when that folder is writable,
 * else in `linkFolder`, which the returned environment then names.
 */
export async function linkSharedLibraries(binFolder: string, linkFolder: string): Promise<Record<string, string>> {
  const packageFolder = resolve(binFolder, '..', '..');
  const list = await readFile(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => undefined);
  if (list === undefined) return {};
  let elsewhere = false;
  for (const { source, target } of LinkList.parse(JSON.parse(list))) {
    const link = join(packageFolder, target);
    if (await exists(link)) continue;
    if (await makeLink(basename(source), link)) continue;
    elsewhere = true;
    await mkdir(linkFolder, { recursive: true, mode: 0o755 });
    await symlink(join(packageFolder, source), join(linkFolder, basename(target))).catch(ignoreExisting);
  }
  return elsewhere ? { LD_LIBRARY_PATH: `${linkFolder}:${join(dirname(binFolder), 'lib')}` } : {};
}

async function makeLink(source: string, link: string): Promise<boolean> {
  try {
    await symlink(source, link).catch(ignoreExisting);
    return true;
  } catch {
    return false;
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
