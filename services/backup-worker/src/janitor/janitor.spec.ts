import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Janitor } from './janitor.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rahat-janitor-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('janitor', () => {
  it('removes the scratch folder of a dead worker with the tools that still run in it, and nothing else', async () => {
    const janitor = new Janitor(root);
    await using own = await janitor.makeScratch('run_1', 1);
    const dead = join(root, 'run_2-1-999999-12345');
    await mkdir(dead);
    await mkdir(join(root, 'somebody-elses'));
    const tool = spawn('sleep', ['600'], { cwd: dead, detached: true, stdio: 'ignore' });
    const ended = once(tool, 'exit');
    await once(tool, 'spawn');
    expect(await janitor.clean()).toEqual([dead]);
    expect((await ended)[1]).toBe('SIGKILL');
    expect((await readdir(root)).sort()).toEqual([own.path.slice(root.length + 1), 'somebody-elses'].sort());
  });

  it('gives each attempt an empty folder and takes it away afterwards', async () => {
    const janitor = new Janitor(join(root, 'made/on/demand'));
    {
      await using scratch = await janitor.makeScratch('run_1', 1);
      expect(await readdir(scratch.path)).toEqual([]);
    }
    expect(await readdir(join(root, 'made/on/demand'))).toEqual([]);
  });
});
