import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from '@jest/globals';
import { LocalStore } from '@rahat/blob-store-local';
import { killAgainAndAgain } from './testing/killing.js';

/** With those on object storage a hundred. */
const KILLS = 70;
const SEED = 7;
const PATIENCE_MS = 900_000;

describe('a repository in a local folder', () => {
  it(
    `keeps every promise through ${KILLS} kills of writers and collectors (seed ${SEED})`,
    async () => {
      const path = await mkdtemp(join(tmpdir(), 'rahat-kills-'));
      try {
        const place = { driver: 'local' as const, path };
        await killAgainAndAgain({ place, store: new LocalStore(place) }, KILLS, SEED);
      } finally {
        await rm(path, { recursive: true, force: true });
      }
    },
    PATIENCE_MS,
  );
});
