import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';
import { copyText, type DataVersion } from './copy-text.js';
import { pageFiles } from './page-files.js';

const WRITE_BYTES = 4 * 1024 * 1024;

export async function writeDump(file: string, sizeBytes: number, seed: number, version: DataVersion): Promise<number> {
  return writeFile(file, copyText(sizeBytes, seed, version));
}

export async function writePageFolder(folder: string, sizeBytes: number, seed: number, version: DataVersion): Promise<number> {
  let total = 0;
  for (const { name, pages } of pageFiles(sizeBytes, seed, version)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    total += await writeFile(file, pages);
  }
  return total;
}

/** A wrong restore ends the measurement: nobody wants to know how fast it was. */
export async function assertSameBytes(restored: string, source: string, who: string): Promise<void> {
  const [a, b] = [restored, source].map((file) => createReadStream(file, { highWaterMark: WRITE_BYTES })[Symbol.asyncIterator]());
  for (let position = 0; ;) {
    const [left, right] = await Promise.all([a!.next(), b!.next()]);
    if (left.done && right.done) return;
    const same = !left.done && !right.done && (left.value as Buffer).equals(right.value as Buffer);
    if (!same) throw new RahatError('restore_mismatch', `What ${who} restored differs from the source at or after byte ${position}.`);
    position += (left.value as Buffer).length;
  }
}

/** The same files with the same bytes, and no others. */
export async function assertSameFolder(restored: string, source: string, who: string): Promise<void> {
  const [found, expected] = await Promise.all([restored, source].map(filesBelow));
  if (found!.join() !== expected!.join())
    throw new RahatError('restore_mismatch', `${who} restored ${found!.length} files instead of the ${expected!.length} there were.`);
  for (const file of expected!) await assertSameBytes(path.join(restored, file), path.join(source, file), who);
}

/** Relative to the folder, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

export async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  for (const file of await filesBelow(folder)) total += (await stat(path.join(folder, file))).size;
  return total;
}

async function writeFile(file: string, blocks: Iterable<Buffer>): Promise<number> {
  const opened = await open(file, 'w');
  let total = 0;
  let pending: Buffer[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    await opened.writev(pending);
    total += bytes;
    [pending, bytes] = [[], 0];
  };
  try {
    for (const block of blocks) {
      pending.push(block);
      bytes += block.length;
      // writev takes at most 1,024 buffers (IOV_MAX).
      if (bytes >= WRITE_BYTES || pending.length >= 1000) await flush();
    }
    await flush();
    return total;
  } finally {
    await opened.close();
  }
}
