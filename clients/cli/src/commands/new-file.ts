import { open, rm } from 'node:fs/promises';
import { RahatError } from '@rahat/contracts';

/** Fills a file that must not exist, readable by its owner alone; it goes away when the work fails. */
export async function fillNewFile<T>(path: string, work: (write: (bytes: Buffer) => Promise<void>) => Promise<T>): Promise<T> {
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new RahatError('conflict', `The file ${path} exists already.`, { cause });
    throw new RahatError('invalid_input', `The file ${path} cannot be made: ${cause.message}`, { cause });
  });
  try {
    const result = await work(async (bytes) => {
      await file.appendFile(bytes);
    });
    await file.sync();
    await file.close();
    return result;
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}
