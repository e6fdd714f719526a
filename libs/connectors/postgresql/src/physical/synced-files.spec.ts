import { mkdtemp, open, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SyncedFiles } from './synced-files.js';

const MIB = 1 << 20;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rhb-synced-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A real file whose syncs a test can hold up or let fail. */
async function watched(
  name: string,
  changed: Partial<Pick<FileHandle, 'sync' | 'datasync'>>,
): Promise<{ file: FileHandle; place: string }> {
  const place = join(folder, name);
  const file = await open(place, 'wx+');
  return { file: Object.assign(file, changed), place };
}

describe('files that are put on disk while others are written', () => {
  it('are there whole and closed when all is settled', async () => {
    const synced = new SyncedFiles();
    let [begun, ended] = [0, 0];
    const piece = Buffer.alloc(MIB, 7);
    for (let number = 0; number < 6; number++) {
      const { file } = await watched(`whole-${number}`, {});
      const [datasync, sync] = [file.datasync.bind(file), file.sync.bind(file)];
      file.datasync = () => (begun++, datasync());
      file.sync = () => (ended++, sync());
      const target = synced.writing(file);
      const mib = number === 0 ? 70 : 1;
      for (let at = 0; at < mib; at++) await target.writev([piece], at * MIB);
      await synced.end(file);
    }
    await synced.settled();
    expect(begun).toBeGreaterThanOrEqual(1);
    expect(ended).toBe(6);
    expect((await stat(join(folder, 'whole-0'))).size).toBe(70 * MIB);
    expect((await readFile(join(folder, 'whole-5'))).equals(piece)).toBe(true);
  });

  it('make whoever hands over more wait, so that no more than a few are under way', async () => {
    const synced = new SyncedFiles();
    const held = Promise.withResolvers<void>();
    let handedOver = 0;
    const handing = (async () => {
      for (let number = 0; number < 8; number++) {
        await synced.end((await watched(`held-${number}`, { sync: () => held.promise })).file);
        handedOver++;
      }
    })();
    await new Promise((slept) => setTimeout(slept, 100));
    expect(handedOver).toBe(3);
    held.resolve();
    await handing;
    await synced.settled();
  });

  it.each([
    ['at their end', { sync: () => Promise.reject(new Error('EIO: the disk is gone')) }],
    ['in the middle', { datasync: () => Promise.reject(new Error('EIO: the disk is gone')) }],
  ])('fail all when one could not be written %s, told once', async (when, changed) => {
    const synced = new SyncedFiles();
    const { file } = await watched(`failing ${when}`, changed);
    const target = synced.writing(file);
    for (let at = 0; at < 40; at++) await target.writev([Buffer.alloc(MIB)], at * MIB);
    await synced.end(file).catch(() => undefined);
    await expect(synced.settled()).rejects.toThrow('the disk is gone');
    expect(file.fd).toBe(-1);
  });
});
