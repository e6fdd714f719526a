import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Contestant, ContestantFactory } from './contestants.js';
import { runMeasured, type Usage } from './measured-process.js';
import { assertSameBytes, assertSameFolder, folderBytes } from './sample-data.js';

export interface SourceFiles {
  dumps: { first: string; second: string };
  folders: { first: string; second: string };
}

export type Step = 'first' | 'second' | 'restore' | 'folder-first' | 'folder-second' | 'folder-restore';

export interface Round {
  usage: Record<Step, Usage>;
  /** Bytes in the repository after the first backup, and what the second added; of the dump and of the folder. */
  stored: { first: number; growth: number; folderFirst: number; folderGrowth: number };
}

/** One contestant's whole turn on new repositories. Every restore is compared with its source. */
export async function playRound(factory: ContestantFactory, files: SourceFiles, scratch: string): Promise<Round> {
  const dump = await inNewHome(factory, scratch, async (contestant) => {
    const first = await runMeasured({ ...contestant.backUpStream('dump.sql'), stdin: files.dumps.first });
    const before = await folderBytes(contestant.repository);
    const second = await runMeasured({ ...contestant.backUpStream('dump.sql'), stdin: files.dumps.second });
    const growth = (await folderBytes(contestant.repository)) - before;
    const restored = path.join(scratch, 'restored');
    const restore = await runMeasured({ ...contestant.restoreStream(), stdout: restored });
    await assertSameBytes(restored, files.dumps.second, contestant.name);
    await rm(restored);
    return { first, second, restore, before, growth };
  });
  const folder = await inNewHome(factory, scratch, async (contestant) => {
    const first = await runMeasured(contestant.backUpFolder(files.folders.first));
    const before = await folderBytes(contestant.repository);
    const second = await runMeasured(contestant.backUpFolder(files.folders.second));
    const growth = (await folderBytes(contestant.repository)) - before;
    const restored = path.join(scratch, 'restored');
    await mkdir(restored);
    const restore = await runMeasured(contestant.restoreFolder(files.folders.second, restored));
    await assertSameFolder(restored, files.folders.second, contestant.name);
    await rm(restored, { recursive: true });
    return { first, second, restore, before, growth };
  });
  return {
    usage: {
      first: dump.first,
      second: dump.second,
      restore: dump.restore,
      'folder-first': folder.first,
      'folder-second': folder.second,
      'folder-restore': folder.restore,
    },
    stored: { first: dump.before, growth: dump.growth, folderFirst: folder.before, folderGrowth: folder.growth },
  };
}

/** Plays on a new repository, which is gone afterwards. */
export async function inNewHome<T>(factory: ContestantFactory, scratch: string, play: (contestant: Contestant) => Promise<T>): Promise<T> {
  const home = path.join(scratch, 'home');
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, 'passphrase'), 'a passphrase of the measurement\n', { mode: 0o600 });
  const contestant = factory(home);
  await runMeasured(contestant.create());
  const result = await play(contestant);
  await rm(home, { recursive: true });
  return result;
}
