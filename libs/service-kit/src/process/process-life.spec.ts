import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const LIFE = new URL('../../dist/process/process-life.js', import.meta.url);

/** A process whose draining takes `drainMs`, and may take no more than `longestDrainMs`. */
const script = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { live } from ${JSON.stringify(LIFE.href)};
  const [drainMs, longestDrainMs] = process.argv.slice(2).map(Number);
  const log = { info: () => undefined, warn: () => undefined, fatal: () => undefined };
  await live(log, async () => {
    setTimeout(() => process.send('started'), 0);
    const standing = setInterval(() => undefined, 1000);
    return { drain: () => sleep(drainMs).then(() => clearInterval(standing)), longestDrainMs };
  });
`;

describe('a process whose starter is gone', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'rahat-life-'));
    await writeFile(path.join(folder, 'life.mjs'), script);
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function started(drainMs: number, longestDrainMs: number): Promise<ChildProcess> {
    const child = fork(path.join(folder, 'life.mjs'), [String(drainMs), String(longestDrainMs)]);
    await once(child, 'message');
    return child;
  }

  it('ends what is under way', async () => {
    const child = await started(100, 60_000);
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('leaves when that has no end', async () => {
    const child = await started(3_600_000, 100);
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([1, null]);
  });

  it('takes its time where somebody is there who can end it', async () => {
    const child = await started(400, 1);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
