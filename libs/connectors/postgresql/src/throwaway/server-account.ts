import { chmod, chown, lstat, readFile, readdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RahatError } from '@rahat/contracts';

/** The operating system account that a server program runs as. */
export interface ServerAccount {
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root: then it runs as `postgres`, else as the least account there is. Undefined = as ourselves. */
export async function serverAccount(): Promise<ServerAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody', 'daemon']) {
    const fields = lines.find((line) => line[0] === name);
    if (fields && Number(fields[2]) > 0) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new RahatError('tool_missing', 'A PostgreSQL server cannot run as root, and this machine has no account "postgres" or "nobody"', {
    hint: 'Run as an ordinary user, or create one: useradd --system postgres',
  });
}

/** The folder on the way to `path` that the account may not pass; undefined when it can reach it. */
export async function firstImpassableFolder(path: string, account: ServerAccount | undefined): Promise<string | undefined> {
  if (!account) return undefined;
  const folders: string[] = [];
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (folder === dirname(folder)) break;
  }
  for (const folder of folders) {
    const { mode, uid, gid } = await stat(folder);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if (!(mode & bit)) return folder;
  }
  return undefined;
}

/** Lets others pass through (not list) a folder of ours. What lies in it keeps its own, private mode. */
export async function allowPassage(folder: string): Promise<void> {
  const { mode } = await stat(folder);
  await chmod(folder, (mode & 0o7777) | 0o011);
}

/** Names are taken as bytes: not every file name is text. Links are let alone, what they point to is not ours. */
export async function giveTreeTo(account: ServerAccount | undefined, path: string | Buffer): Promise<void> {
  if (!account) return;
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) return;
  await chown(path, account.uid, account.gid);
  if (!entry.isDirectory()) return;
  const parent = Buffer.concat([Buffer.from(path), Buffer.from('/')]);
  for (const name of await readdir(path, { encoding: 'buffer' })) await giveTreeTo(account, Buffer.concat([parent, name]));
}
