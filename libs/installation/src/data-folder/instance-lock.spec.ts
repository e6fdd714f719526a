import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openDataFolder, type DataFolder } from './data-folder.js';
import { lockDataFolder } from './instance-lock.js';
import { writeRuntimeFile } from './runtime-file.js';

let folder: DataFolder;

beforeEach(() => {
  folder = openDataFolder(mkdtempSync(path.join(tmpdir(), 'rahat-lock-')));
});

afterEach(() => rmSync(folder.root, { recursive: true }));

describe('the lock of a data folder', () => {
  it('is held by one and names its URL to the next', async () => {
    const release = await lockDataFolder(folder);
    writeRuntimeFile(folder, {
      url: 'http://127.0.0.1:8421',
      metricsUrl: 'http://127.0.0.1:9464',
      pid: process.pid,
      version: '1',
      startedAt: new Date().toISOString(),
    });
    await expect(lockDataFolder(folder)).rejects.toThrow(`process ${process.pid}, http://127.0.0.1:8421`);
    release();
    (await lockDataFolder(folder))();
  });

  it('is taken over from a process that died, even when another has its id now', async () => {
    writeFileSync(folder.lockFile, JSON.stringify({ pid: process.ppid, start: '1' }));
    (await lockDataFolder(folder))();
  });

  it('is taken over when the file is damaged', async () => {
    writeFileSync(folder.lockFile, '{');
    (await lockDataFolder(folder))();
  });
});
