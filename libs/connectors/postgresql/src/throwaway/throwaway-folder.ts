import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordOwner } from './leftovers.js';
import { allowPassage, firstImpassableFolder, giveTreeTo, serverAccount, type ServerAccount } from './server-account.js';

/** A folder that a throwaway server's account can reach; the janitor knows it by its name and its owner's word. */
export interface ThrowawayFolder {
  path: string;
  socketFolder: string;
  account: ServerAccount | undefined;
  remove(): Promise<void>;
}

export async function makeThrowawayFolder(scratchFolder: string): Promise<ThrowawayFolder> {
  const account = await serverAccount();
  let parent = scratchFolder;
  if (account) {
    await allowPassage(scratchFolder);
    // Below a 0700 home the server's account could never reach the scratch folder.
    if (await firstImpassableFolder(scratchFolder, account)) parent = tmpdir();
  }
  const name = `rhb_t_${randomBytes(6).toString('hex')}`;
  const path = join(parent, name);
  // A socket's path is limited to 107 bytes, so it cannot lie below an arbitrary scratch folder.
  const socketFolder = join(tmpdir(), `${name}.socket`);
  await mkdir(path, { mode: 0o711 });
  await recordOwner(path, { socketFolder, dataFolder: join(path, 'data') });
  await mkdir(socketFolder, { mode: 0o700 });
  await giveTreeTo(account, socketFolder);
  const remove = async () => {
    await rm(socketFolder, { recursive: true, force: true });
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  };
  return { path, socketFolder, account, remove };
}
