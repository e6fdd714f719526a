import { tmpdir } from 'node:os';
import { expect, it } from '@jest/globals';
import { ensureRoom } from './room.js';

it('refuses what does not fit, and says how much there is', async () => {
  await ensureRoom(tmpdir(), 1, 'a letter');
  await expect(ensureRoom(tmpdir(), 2 ** 60, 'a library')).rejects.toMatchObject({
    code: 'scratch_full',
    message: expect.stringMatching(/^There is not enough room for a library: about \d+ MB are needed in .+, and \d+ MB are free$/),
  });
});
