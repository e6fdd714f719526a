import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isFolderName, prefixFromName } from '../repositories/prefix.js';
import { prepareLocalFolder, refusePlace } from './local-folder.js';

let home: string;
let data: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'rahat-storage-'));
  data = path.join(home, 'data');
  await mkdir(path.join(data, 'postgresql'), { recursive: true });
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('the folder of a local storage', () => {
  it('is made, for its owner alone, with its real path', async () => {
    await mkdir(path.join(home, 'disk'));
    await symlink(path.join(home, 'disk'), path.join(home, 'link'));
    expect(await prepareLocalFolder(path.join(home, 'link', 'a', 'b'), data)).toBe(path.join(home, 'disk', 'a', 'b'));
    expect((await stat(path.join(home, 'disk', 'a'))).mode & 0o777).toBe(0o700);
  });

  it('is refused inside the data folder, also through a link or dots, but for backups', async () => {
    await symlink(data, path.join(home, 'way-in'));
    for (const inside of [
      data,
      path.join(data, 'keys'),
      path.join(home, 'disk', '..', 'data', 'x'),
      path.join(home, 'way-in', 'postgresql'),
      path.join(data, 'backups', '..', 'keys'),
    ]) {
      await expect(prepareLocalFolder(inside, data)).rejects.toMatchObject({ code: 'invalid_input' });
    }
    expect(await prepareLocalFolder(path.join(data, 'backups'), data)).toBe(path.join(data, 'backups'));
    expect(() => refusePlace(path.join(data, 'backups-of-mine'), data)).toThrow('data folder');
  });

  it('is refused at the root, in kernel trees, and where a file stands', async () => {
    await writeFile(path.join(home, 'file'), '');
    for (const wrong of ['/', '/proc/self', '/dev/shm/x', '/sys', path.join(home, 'file'), path.join(home, 'file', 'below')])
      await expect(prepareLocalFolder(wrong, data)).rejects.toMatchObject({ code: 'invalid_input' });
  });
});

describe('the prefix of a repository', () => {
  it.each([
    ['Main', 'main'],
    ['Ankara müşteri #1', 'ankara-musteri-1'],
    ['İSTANBUL ışık', 'istanbul-isik'],
    ['../../etc', 'etc'],
    ['数据', 'repository'],
    ['--x--', 'x'],
  ])('of %j is %j', (name, prefix) => expect(prefixFromName(name)).toBe(prefix));
  it('is never a way out of the storage', () => {
    for (const wrong of ['.', '..', '...', '.hidden', '-', '']) expect(isFolderName(wrong)).toBe(false);
    expect(isFolderName('shop-1.main')).toBe(true);
  });
});
