import { access, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { processStart } from '@rahat/connector-kit';
import { removeLeftovers } from './offline-scratch.js';

const NOBODY = 65_534;
/** No process has this number: pid_max is at most 2^22 (proc(5)). */
const DEAD = 5_000_000;
let elsewhere: string;
const made: string[] = [];

async function scratchOf(pid: number, start: string): Promise<string> {
  const folder = join(tmpdir(), `rahat-offline-${pid}-${start}-${Math.random().toString(36).slice(2, 8).padEnd(6, '0')}`);
  await mkdir(folder);
  await writeFile(join(folder, 'something'), '');
  made.push(folder);
  return folder;
}
const there = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

beforeEach(async () => {
  elsewhere = await mkdtemp(join(tmpdir(), 'rahat-leftovers-spec-'));
});
afterEach(async () => {
  for (const folder of [elsewhere, ...made.splice(0)]) await rm(folder, { recursive: true, force: true });
});

it('removes what a dead command left, and neither that of a live one nor what somebody else put there', async () => {
  const dead = await scratchOf(DEAD, '1');
  const live = await scratchOf(process.pid, await processStart(process.pid));
  const followed = await scratchOf(process.pid, '1');
  const foreign = await scratchOf(DEAD, '1');
  await chown(foreign, NOBODY, NOBODY);
  const link = join(tmpdir(), `rahat-offline-${DEAD}-1-linked`);
  made.push(link);
  await symlink(elsewhere, link);

  const removed = await removeLeftovers(elsewhere);
  // The number of a live process may have been another one's before.
  expect(removed).toEqual(expect.arrayContaining([dead, followed]));
  expect(await Promise.all([dead, live, followed, foreign, link, elsewhere].map(there))).toEqual([false, true, false, true, true, true]);
});
