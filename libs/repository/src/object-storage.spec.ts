import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RETRY_POLICY, RetryingStore, type BlobStore } from '@rahat/blob-store-port';
import { FaultyStore, listedNames } from '@rahat/blob-store-port/testing';
import { openS3Store } from '@rahat/blob-store-s3';
import type { S3Connection } from '@rahat/contracts';
import { hasS3, startS3, type S3Make, type S3Server } from '@rahat/test-servers';
import { openRepository } from './open-repository.js';
import { backUp, digests, newRepository, noise, PASSPHRASE, restore } from './testing/builders.js';
import { s3Connection } from './testing/s3-connection.js';

const open = (store: BlobStore) => openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });

for (const make of ['moto', 'rclone'] satisfies S3Make[]) {
  (hasS3(make) ? describe : describe.skip)(`a repository on the S3 server ${make}`, () => {
    let server: S3Server;
    let bucket = 0;

    beforeAll(async () => {
      server = await startS3(make);
    });
    afterAll(() => server[Symbol.asyncDispose]());

    async function place(): Promise<{ connection: S3Connection; store: BlobStore }> {
      const name = `bucket-${++bucket}`;
      await server.createBucket(name);
      const connection = s3Connection(server, name);
      return { connection, store: new RetryingStore(await openS3Store(connection), { ...RETRY_POLICY, firstPauseMs: 20 }) };
    }

    it('gives every byte back, passes the deepest check, and stores nothing twice', async () => {
      const { store } = await place();
      const objects = { rows: noise(3_000_000, 1), text: Buffer.alloc(2_000_000, 'compressible rows '), empty: Buffer.alloc(0) };
      const repository = await newRepository(store);
      await backUp(repository, 'backup_1', objects);
      const packs = await listedNames(store, 'packs/');
      const second = await backUp(await open(store), 'backup_2', objects);
      expect(second.addedBytes).toBeLessThan(10_000);
      expect(await listedNames(store, 'packs/')).toEqual(packs);
      const reopened = await open(store);
      expect(digests(await restore(reopened, 'backup_2'))).toEqual(digests(objects));
      expect(await reopened.check({ level: 'deep' })).toMatchObject({ healthy: true });
      expect(await listedNames(store, 'leases/')).toEqual([]);
    });

    it('takes two writers at once, and the same snapshot only once', async () => {
      const { store } = await place();
      await newRepository(store);
      const shared = noise(1_500_000, 5);
      const all = ['left', 'right'].map((id, seed) => ({ id: `backup_${id}`, objects: { shared, own: noise(900_000, 20 + seed) } }));
      await Promise.all(all.map(async ({ id, objects }) => backUp(await open(store), id, objects)));
      const repository = await open(store);
      for (const { id, objects } of all) expect(digests(await restore(repository, id))).toEqual(digests(objects));
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
      await expect(backUp(repository, 'backup_left', { shared })).rejects.toMatchObject({ code: 'conflict' });
      expect(digests(await restore(repository, 'backup_left'))).toEqual(digests(all[0]!.objects));
    });

    it('comes through a server that fails and loses answers', async () => {
      const { connection } = await place();
      const faulty = new FaultyStore(await openS3Store(connection));
      const store = new RetryingStore(faulty, { ...RETRY_POLICY, firstPauseMs: 5, longestPauseMs: 20 });
      for (let nth = 4; nth < 400; nth += 4) faulty.inject({ kind: nth % 8 === 0 ? 'fail' : 'drop-answer', nth });
      const objects = { rows: noise(4_000_000, 9) };
      const repository = await newRepository(store);
      await backUp(repository, 'backup_1', objects);
      expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(objects));
      faulty.heal();
      expect(await (await open(store)).check({ level: 'deep' })).toMatchObject({ healthy: true });
    });
  });
}
