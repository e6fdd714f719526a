import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ArtifactSource, Job, LogRecovery, RestoreFacts } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { readChain } from './backup-chain.js';
import { type BaseBackupFacts, readFacts } from './base-backup-layout.js';
import { FolderWriter, TABLESPACES_FOLDER } from './folder-writer.js';
import { addRecovery, type PlannedRecovery, planRecovery, recoveryFinding } from '../wal/index.js';
import { SyncedFiles } from './synced-files.js';
import { addSafeConfiguration, rewriteTablespaceMap } from './restored-configuration.js';

/** An absent or empty folder becomes a data directory, ready to start. Until all is checked and on disk, it lies beside it (`partialFolderOf`). */
export async function restoreBaseBackupToFolder(
  source: ArtifactSource,
  path: string,
  job: Job,
  wanted?: LogRecovery,
): Promise<RestoreFacts> {
  const target = resolve(path);
  await refuseExisting(target);
  const facts = await readFacts(source);
  const planned = wanted && (await planRecovery(source, facts, wanted));
  return makeServerFolder({ source, facts }, target, job, planned);
}

/** Where it lies until it is whole. */
export function partialFolderOf(target: string): string {
  return `${target}.rhb-partial`;
}

/** The same, of a target that is known to be free, and a recovery that is known to be possible. */
export async function makeServerFolder(
  { source, facts }: { source: ArtifactSource; facts: BaseBackupFacts },
  target: string,
  job: Job,
  planned: PlannedRecovery | undefined,
): Promise<RestoreFacts> {
  const partial = partialFolderOf(target);
  return told(target, async () => {
    // Left by an attempt that was broken off: of no value, and only ever made here.
    await rm(partial, { recursive: true, force: true });
    let bytes = await writeDataFolder(source, { folder: partial, finalFolder: target, durable: true }, job);
    const findings = await addSafeConfiguration(partial, facts);
    if (planned) {
      bytes += await addRecovery(partial, planned, job);
      findings.push(recoveryFinding(planned));
    }
    await syncFolder(partial);
    await rmdir(target).catch(ignoreMissing);
    await rename(partial, target);
    await syncFolder(dirname(target));
    for (const { oid, location } of facts.tablespaces) {
      const message = `Tablespace ${oid} was at ${location} and is now in ${join(target, TABLESPACES_FOLDER, oid)}.`;
      findings.push({ code: 'tablespace_moved', severity: 'info', object: oid, message });
    }
    const recovery = planned && { timeline: planned.route.timeline };
    return { target, setAside: [], tables: [], rows: 0, bytes, findings, recovery };
  });
}

/** Makes `folder` with the backup's files, put together from its chain, each compared with the server's manifest; `finalFolder` is where it will stand when it starts. */
export async function writeDataFolder(
  source: ArtifactSource,
  place: { folder: string; finalFolder: string; durable: boolean },
  job: Job,
): Promise<number> {
  const chain = await readChain(source);
  const [{ facts }] = chain;
  return told(place.folder, async () => {
    await mkdir(place.folder, { recursive: true, mode: 0o700 });
    const writer = new FolderWriter(chain, place.folder, job, place.durable ? new SyncedFiles() : undefined);
    const bytes = await writer.writeAll();
    if (place.durable) await writer.finish();
    await rewriteTablespaceMap(place.folder, facts.tablespaces, join(place.finalFolder, TABLESPACES_FOLDER));
    return bytes;
  });
}

export async function refuseExisting(target: string): Promise<void> {
  const entries = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new RahatError('restore_target_exists', `${target} is not a folder that can be restored into: ${error.message}`, {
      cause: error,
    });
  });
  if (entries.length === 0) return;
  throw new RahatError('restore_target_exists', `The folder ${target} is not empty`, {
    hint: 'Name an absent or empty folder. Nothing was changed.',
  });
}

/** A refusal of the file system in the product's words. */
async function told<T>(target: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'syscall' in error ? (error as NodeJS.ErrnoException).code : undefined;
    if (code === undefined || error instanceof RahatError) throw error;
    throw new RahatError('restore_failed', `Could not write ${target}: ${(error as Error).message}`, {
      cause: error,
      hint:
        code === 'ENOSPC'
          ? 'Free space there, or restore to another folder.'
          : 'Check that the folder may be written. What was written is left aside as .rhb-partial.',
    });
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  await folder.sync().finally(() => folder.close());
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
