import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOwnPath, processStart } from '@rahat/connector-kit';
import { z } from 'zod';

const Owner = z.object({
  pid: z.number().int(),
  startedAt: z.string(),
  socketFolder: z.string(),
  dataFolder: z.string(),
  /** Folders outside the throwaway's own that go with it. */
  alsoOurs: z.array(z.string()).default([]),
});
type Owner = z.infer<typeof Owner>;
const OWNER_FILE = 'owner.json';

/** Leaves the word of whose throwaway this is, so that a later process can tell a leftover from a server in use. */
export async function recordOwner(
  folder: string,
  files: Pick<z.input<typeof Owner>, 'socketFolder' | 'dataFolder' | 'alsoOurs'>,
): Promise<void> {
  const owner: z.input<typeof Owner> = { pid: process.pid, startedAt: await processStart(process.pid), ...files };
  // At no moment without a word: who is killed between two of them would never be cleared away.
  await writeFile(join(folder, `${OWNER_FILE}.new`), JSON.stringify(owner), { mode: 0o600 });
  await rename(join(folder, `${OWNER_FILE}.new`), join(folder, OWNER_FILE));
}

/** Stops and removes the throwaways, below this folder or in the system's temporary one, whose owner has died. Gives their names. */
export async function removeThrowawayLeftovers(scratchRoot: string): Promise<string[]> {
  const removed: string[] = [];
  for (const root of new Set([scratchRoot, tmpdir()])) {
    for (const folder of await throwawayFolders(root)) {
      const owner = await ownerOf(folder);
      // Without an owner's word it may be in the making by a process that is alive.
      if (!owner || (await processStart(owner.pid)) === owner.startedAt) continue;
      await stopServerOn(owner.dataFolder);
      for (const place of [...owner.alsoOurs, owner.socketFolder]) await rm(place, { recursive: true, force: true, maxRetries: 3 });
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
      removed.push(folder);
    }
  }
  return removed;
}

/** Of a folder and a file of our own only: anybody can put one into a temporary folder that all share, and name what we would remove. */
async function ownerOf(folder: string): Promise<Owner | undefined> {
  const file = join(folder, OWNER_FILE);
  if (!(await isOwnPath(folder)) || !(await isOwnPath(file))) return undefined;
  const word: unknown = await readFile(file, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined);
  return Owner.safeParse(word).data;
}

/** Throwaways lie in a run's scratch folder, one level below the scratch root, or directly in it. */
async function throwawayFolders(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await folders(root)) {
    if (isThrowaway(entry)) found.push(join(root, entry));
    else if (root !== tmpdir())
      found.push(...(await folders(join(root, entry))).filter(isThrowaway).map((name) => join(root, entry, name)));
  }
  return found;
}

function isThrowaway(name: string): boolean {
  return /^rhb_t_[0-9a-f]{12}$/.test(name);
}

async function folders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

async function stopServerOn(dataFolder: string): Promise<void> {
  const pid = Number((await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0]);
  for (const [signal, graceMs] of [
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    const deadline = Date.now() + graceMs;
    // The number may belong to another process by now: only one that was started on this very folder is ended.
    if (!(await runsOn(pid, dataFolder))) return;
    process.kill(pid, signal);
    while ((await runsOn(pid, dataFolder)) && Date.now() < deadline) await sleep(50);
  }
}

async function runsOn(pid: number, dataFolder: string): Promise<boolean> {
  if (!(pid > 1)) return false;
  const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return argv.split('\0').includes(dataFolder);
}
