import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RahatError } from '@rahat/contracts';
import { firstImpassableFolder } from './server-account.js';
import type { ThrowawayFolder } from './throwaway-folder.js';

/** By argument, which wins over a restored postgresql.auto.conf: the source's own settings name paths, libraries and peers. */
export async function serverArguments(folder: ThrowawayFolder, settings: Record<string, string>): Promise<string[]> {
  const files = {
    config_file: await writeServerFile(folder, 'postgresql.conf', ''),
    hba_file: join(folder.path, 'pg_hba.conf'),
    ident_file: await writeServerFile(folder, 'pg_ident.conf', ''),
  };
  return Object.entries({ ...files, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Trust is confined to the socket's folder, which only the server's account can enter. */
export async function trustOwnSocket(folder: ThrowawayFolder): Promise<void> {
  await writeAccess(folder, 'local all all trust\n');
}

export async function writeAccess(folder: ThrowawayFolder, lines: string): Promise<void> {
  await writeServerFile(folder, 'pg_hba.conf', lines);
}

/** A file that only the server's account can read. */
export async function writeServerFile({ path: place, account }: ThrowawayFolder, name: string, content: string): Promise<string> {
  const path = join(place, name);
  await writeFile(path, content, { mode: 0o600 });
  if (account) await chown(path, account.uid, account.gid);
  return path;
}

/** Rejects where the server's account can't come to it. */
export async function refuseUnreachable(folder: ThrowawayFolder, path: string, what: string): Promise<void> {
  const closed = await firstImpassableFolder(path, folder.account);
  if (!closed) return;
  throw new RahatError(
    'tool_missing',
    `The PostgreSQL ${what} in ${path} cannot be reached by an ordinary account, and a server cannot run as root`,
    {
      hint: `Allow passage: chmod o+x ${closed} - or use a folder that everybody may enter.`,
    },
  );
}
