import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOwnPath, processStart } from '@rahat/connector-kit';
import { removeThrowawayLeftovers, type SourceConnection } from './connectors.js';
import { runError } from './execute-run.js';
import type { ExecutionOptions } from './run-context.js';

export type OfflineOptions = Partial<Pick<ExecutionOptions, 'signal' | 'onProgress' | 'onLog' | 'toolFolders'>>;

const PREFIX = 'rahat-offline-';
/** The owner is in the name, so that a leftover can be told from a folder in use. */
const NAME = /^rahat-offline-(\d+)-(\d*)-\w{6}$/;

/** A scratch folder for work without the platform; it goes with the work. What the dead left of such work goes before. */
export async function withScratch<T>(
  options: OfflineOptions,
  connection: SourceConnection | undefined,
  work: (execution: ExecutionOptions) => Promise<T>,
): Promise<T> {
  const { onLog = () => undefined, onProgress = () => undefined, signal = new AbortController().signal } = options;
  await removeLeftovers(tmpdir()).catch((error: Error) => onLog('warning', `Could not remove what ended commands left: ${error.message}`));
  const scratchFolder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-${await processStart(process.pid)}-`));
  try {
    return await work({ toolFolders: [], ...options, onLog, onProgress, signal, scratchFolder, workerName: 'offline' });
  } catch (error) {
    throw runError(error, { source: connection, repositories: [] }, signal);
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
}

/**
 * Stops and removes throwaway servers whose run has died: below this folder, in the system's temporary one, and in what killed
 * commands left there, which goes with them. Gives the folders.
 */
export async function removeLeftovers(scratchRoot: string): Promise<string[]> {
  const removed: string[] = [];
  for (const folder of await deadScratchFolders()) {
    removed.push(...(await removeThrowawayLeftovers(folder)));
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    removed.push(folder);
  }
  return [...removed, ...(await removeThrowawayLeftovers(scratchRoot))];
}

async function deadScratchFolders(): Promise<string[]> {
  const dead: string[] = [];
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const [, pid, start] = NAME.exec(name) ?? [];
    if (pid === undefined || (await processStart(Number(pid))) === start) continue;
    const folder = join(tmpdir(), name);
    if (await isOwnPath(folder)) dead.push(folder);
  }
  return dead;
}
