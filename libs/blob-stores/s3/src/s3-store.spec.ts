import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RETRY_POLICY, RetryingStore, type BlobStore } from '@rahat/blob-store-port';
import { describeBlobStore, listedNames } from '@rahat/blob-store-port/testing';
import type { S3Connection } from '@rahat/contracts';
import { hasS3, startS3, type S3Make, type S3Server } from '@rahat/test-servers';
import { S3_LIMITS } from './s3-config.js';
import { openS3Store } from './s3-store.js';

const MEBIBYTE = 1024 * 1024;

function connectionTo(server: S3Server, bucket: string, more: Partial<S3Connection> = {}): S3Connection {
  return {
    driver: 's3',
    bucket,
    region: 'us-east-1',
    endpoint: server.endpoint,
    addressing: 'auto',
    credentials: { source: 'access-key', accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    lockMode: 'GOVERNANCE',
    listLagSeconds: 0,
    ...more,
  };
}

for (const make of ['moto', 'rclone'] satisfies S3Make[]) {
  (hasS3(make) ? describe : describe.skip)(`S3 store on ${make}`, () => {
    let server: S3Server;

    beforeAll(async () => {
      server = await startS3(make);
    });
    afterAll(() => server[Symbol.asyncDispose]());

    async function bucket(options?: { objectLock: boolean }): Promise<string> {
      const name = `bucket-${randomUUID()}`;
      await server.createBucket(name, options);
      return name;
    }

    const place = async () => {
      // Small pages, so that every listing of more than three names is one of several pages.
      const limits = { ...S3_LIMITS, pageSize: 3 };
      // As the product opens it: rclone breaks off readings of what is being overwritten.
      const open = async (connection: S3Connection) =>
        new RetryingStore(await openS3Store(connection, 'repository-1', limits), { ...RETRY_POLICY, firstPauseMs: 10 });
      const connection = connectionTo(server, await bucket(), { prefix: 'databases/Production' });
      return { store: await open(connection), another: () => open(connection), [Symbol.asyncDispose]: async () => undefined };
    };
    // rclone writes over the bytes of the file that a reader has open.
    describeBlobStore(`S3 on ${make}`, place, { replaceShowsMixtures: make === 'rclone' });

    it('finds out whether the server keeps conditional puts, and leaves the answer where no list shows it', async () => {
      const connection = connectionTo(server, await bucket());
      for (let opening = 0; opening < 3; opening++) {
        const store = await openS3Store(connection);
        expect(store.capabilities.conditionalPut).toBe(make === 'moto');
        expect(await listedNames(store)).toEqual([]);
      }
    });

    it('sends a large blob in parts that make one whole', async () => {
      const store = await openS3Store(connectionTo(server, await bucket()), '', {
        ...S3_LIMITS,
        singlePutBytes: 5 * MEBIBYTE,
        partBytes: 5 * MEBIBYTE,
        partsAtOnce: 3,
      });
      const body = randomBytes(17 * MEBIBYTE + 3);
      await store.put('packs/large', body);
      expect((await store.get('packs/large')).equals(body)).toBe(true);
      expect((await store.stat('packs/large'))?.sizeBytes).toBe(body.length);
    });

    it('shows nothing of a large blob whose sender gave up', async () => {
      const limits = { ...S3_LIMITS, singlePutBytes: 5 * MEBIBYTE, partBytes: 5 * MEBIBYTE, partsAtOnce: 1 };
      const store = await openS3Store(connectionTo(server, await bucket()), '', limits);
      const giveUp = new AbortController();
      const put = store.put('packs/large', randomBytes(40 * MEBIBYTE), { signal: giveUp.signal });
      setTimeout(() => giveUp.abort(), 40);
      await expect(put).rejects.toMatchObject({ code: 'cancelled' });
      expect(await listedNames(store)).toEqual([]);
      expect(await store.stat('packs/large')).toBeUndefined();
    });

    it('keeps two prefixes of a bucket apart', async () => {
      const name = await bucket();
      const [one, other] = await Promise.all(['one', 'other'].map((prefix) => openS3Store(connectionTo(server, name), prefix)));
      await one!.put('config', Buffer.from('of one'));
      expect(await listedNames(other!)).toEqual([]);
      expect(await other!.stat('config')).toBeUndefined();
    });

    it('says that there is no such bucket, and what to do', async () => {
      await expect(openS3Store(connectionTo(server, 'never-made'))).rejects.toMatchObject({
        code: 'storage_not_found',
        message: expect.stringContaining('s3://never-made'),
        hint: expect.stringContaining('Create the bucket'),
      });
    });

    it('says that nothing answers at the endpoint', async () => {
      await expect(openS3Store(connectionTo(server, 'bucket', { endpoint: 'http://127.0.0.1:9' }))).rejects.toMatchObject({
        code: 'storage_unreachable',
        retryable: true,
        message: expect.stringContaining('nothing answers'),
      });
    });
  });
}

(hasS3('rclone') ? it : it.skip)('says that the key was refused, and never prints its secret', async () => {
  await using server = await startS3('rclone');
  await server.createBucket('bucket');
  const secret = 'a-secret-that-is-wrong';
  const credentials = { source: 'access-key', accessKeyId: server.accessKeyId, secretAccessKey: secret } as const;
  const error = await openS3Store(connectionTo(server, 'bucket', { credentials })).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'storage_login_refused', retryable: false });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).cause)).not.toContain(secret);
});

(hasS3('moto') ? describe : describe.skip)('S3 store in a bucket with object lock', () => {
  let server: S3Server;
  let store: BlobStore;

  describeBlobStore('S3 on moto, in a bucket with object lock', async () => {
    const bucket = `locked-${randomUUID()}`;
    await server.createBucket(bucket, { objectLock: true });
    const open = () => openS3Store(connectionTo(server, bucket));
    return { store: await open(), another: open, [Symbol.asyncDispose]: async () => undefined };
  });

  beforeAll(async () => {
    server = await startS3('moto');
    await server.createBucket('locked', { objectLock: true });
    store = await openS3Store(connectionTo(server, 'locked'));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('knows of the lock', () => expect(store.capabilities.objectLock).toBe(true));

  it('says until when a blob is locked', async () => {
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000);
    await store.put('packs/locked', Buffer.from('x'), { ifAbsent: true, lockUntil: until });
    await expect(store.remove('packs/locked')).rejects.toMatchObject({
      code: 'storage_locked',
      message: expect.stringContaining(until.toISOString()),
    });
    expect((await store.get('packs/locked')).toString()).toBe('x');
  });

  it('leaves no version behind of what it removes', async () => {
    for (const body of ['first', 'second', 'third']) await store.put('leases/one', Buffer.from(body));
    await store.put('leases/one-more', Buffer.from('stays'));
    await store.remove('leases/one');
    const authorization = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0';
    const versions = await (await fetch(`${server.endpoint}/locked?versions&prefix=leases/`, { headers: { authorization } })).text();
    expect([...versions.matchAll(/<Key>([^<]*)/g)].map(([, key]) => key)).toEqual(['leases/one-more']);
  });
});

describe('S3 store before a server that stalls', () => {
  it('gives a connection up on which nothing moves', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const limits = { ...S3_LIMITS, idleMs: 300 };
    const connection = connectionTo({ endpoint: `http://127.0.0.1:${port}`, accessKeyId: 'a', secretAccessKey: 'b' } as S3Server, 'bucket');
    await expect(openS3Store(connection, '', limits)).rejects.toMatchObject({ code: 'storage_unreachable', retryable: true });
    silent.close();
  });
});
