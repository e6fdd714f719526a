import { linkSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import type { DataFolder } from './data-folder.js';
import { isSameProcess, processStart } from './process-identity.js';
import { readRuntimeFile } from './runtime-file.js';

interface Holder {
  pid: number;
  /** Tells the process from a later one with the same id. */
  start: string;
}

/** How long the loser of a race for a dead holder's lock needs to notice. */
const SETTLE_MS = 50;

/** One instance per data folder. Gives the release; a lock whose holder died is taken over. */
export async function lockDataFolder(folder: DataFolder): Promise<() => void> {
  const draft = `${folder.lockFile}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ pid: process.pid, start: processStart(process.pid) ?? '' } satisfies Holder), { mode: 0o600 });
  try {
    for (;;) {
      if (take(draft, folder.lockFile)) {
        await sleep(SETTLE_MS);
        if (readHolder(folder.lockFile)?.pid === process.pid) break;
      }
      const holder = readHolder(folder.lockFile);
      if (holder && isSameProcess(holder.pid, holder.start)) throw alreadyRunning(folder, holder.pid);
      rmSync(folder.lockFile, { force: true });
    }
  } finally {
    unlinkSync(draft);
  }
  return () => {
    if (readHolder(folder.lockFile)?.pid === process.pid) rmSync(folder.lockFile, { force: true });
  };
}

function take(draft: string, lockFile: string): boolean {
  try {
    linkSync(draft, lockFile);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readHolder(lockFile: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function alreadyRunning(folder: DataFolder, pid: number): RahatError {
  const url = readRuntimeFile(folder)?.url;
  return new RahatError(
    'conflict',
    `Rahat Backup runs already on ${folder.root} (process ${pid}${url ? `, ${url}` : ', still starting'})`,
    {
      hint: 'Use that one, stop it with Ctrl+C, or set RAHAT_DATA_DIR to another folder.',
    },
  );
}
