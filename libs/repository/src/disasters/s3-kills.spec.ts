import { describe, it } from '@jest/globals';
import { RETRY_POLICY, RetryingStore } from '@rahat/blob-store-port';
import { openS3Store } from '@rahat/blob-store-s3';
import { hasS3, startS3, type S3Make } from '@rahat/test-servers';
import { s3Connection } from '../testing/s3-connection.js';
import { killAgainAndAgain } from './testing/killing.js';

/** On each server. A process starts and works on them half as fast as on a folder, and goes through the same code. */
const KILLS = 15;
const SEED = 8;
const PATIENCE_MS = 900_000;

for (const make of ['moto', 'rclone'] satisfies S3Make[]) {
  (hasS3(make) ? describe : describe.skip)(`a repository on the S3 server ${make}`, () => {
    it(
      `keeps every promise through ${KILLS} kills of writers and collectors (seed ${SEED})`,
      async () => {
        await using server = await startS3(make);
        await server.createBucket('kills');
        const place = s3Connection(server, 'kills');
        const store = new RetryingStore(await openS3Store(place), { ...RETRY_POLICY, firstPauseMs: 20 });
        await killAgainAndAgain({ place, store }, KILLS, SEED);
      },
      PATIENCE_MS,
    );
  });
}
