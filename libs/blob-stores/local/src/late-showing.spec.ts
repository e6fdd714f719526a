import * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, jest } from '@jest/globals';

/** As where a process was stopped, or its machine slept, when the blob was written and not to be seen yet. */
const STOPPED_MS = 1_500;
const held = async <T>(show: () => Promise<T>): Promise<T> => {
  await pause(STOPPED_MS);
  return show();
};
jest.unstable_mockModule('node:fs/promises', () => ({
  ...files,
  link: (...call: Parameters<typeof files.link>) => held(() => files.link(...call)),
  rename: (...call: Parameters<typeof files.rename>) => held(() => files.rename(...call)),
}));
const { LocalStore } = await import('./local-store.js');

it.each([true, false])('dates a blob by when it can be seen, not by when it was written (if absent: %s)', async (ifAbsent) => {
  const path = await files.mkdtemp(join(tmpdir(), 'rahat-local-store-'));
  try {
    const store = new LocalStore({ driver: 'local', path });
    await files.writeFile(join(path, 'begun'), '');
    const { mtimeMs: begunMs } = await files.stat(join(path, 'begun'));
    await store.put('collections/1', Buffer.from('x'), { ifAbsent });
    const shownMs = (await store.stat('collections/1'))!.modifiedAt.getTime();
    expect(shownMs).toBeGreaterThan(begunMs + STOPPED_MS * 0.9);
  } finally {
    await files.rm(path, { recursive: true });
  }
});
