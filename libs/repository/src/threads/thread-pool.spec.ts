import { createHash, createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { noise } from '../testing/builders.js';
import { MAX_FRAME_BYTES, regionOf, sealFrame, TAG_BYTES, unsealFrame, type OpenFrameJob } from './jobs.js';
import { JOBS_HERE } from './session-jobs.js';
import { ThreadPool, type JobPlace } from './thread-pool.js';

const pools: ThreadPool[] = [];
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.end())));

function newPool(size = 2, idleMs?: number): ThreadPool {
  const pool = new ThreadPool(size, idleMs);
  pools.push(pool);
  return pool;
}

function shared(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

describe('the thread pool', () => {
  const idKey = randomBytes(32);

  it.each([
    ['a thread', () => newPool().leastBusy()],
    ['the own thread', () => JOBS_HERE],
  ])('gives ids of chunks and the hash of the whole stream, in %s', async (_, place) => {
    const bytes = noise(300_000);
    const jobs = place();
    const ids = await Promise.all(
      [0, 150_000].map((offset) =>
        jobs.run({
          type: 'digest',
          stream: 77,
          bytes: regionOf(shared(bytes.subarray(offset, offset + 150_000))),
          lengths: [50_000, 100_000],
          idKey,
        }),
      ),
    );
    const expected = [0, 50_000, 150_000, 200_000].map((start, i) =>
      createHmac('sha256', idKey)
        .update(bytes.subarray(start, start + (i % 2 ? 100_000 : 50_000)))
        .digest('hex'),
    );
    expect(Buffer.concat(ids).toString('hex')).toBe(expected.join(''));
    expect(await jobs.run({ type: 'endDigest', stream: 77 })).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('compresses in place, and leaves what gains too little', async () => {
    const pool = newPool();
    const rows = Buffer.from('one row after the other\n'.repeat(20_000));
    const frame = shared(rows);
    const length = await pool.run({ type: 'compress', bytes: regionOf(frame), speed: 'default', maxLength: rows.length - 1 });
    expect(zstdDecompressSync(frame.subarray(0, length)).equals(rows)).toBe(true);
    const raw = shared(noise(100_000));
    expect(await pool.run({ type: 'compress', bytes: regionOf(raw), speed: 'default', maxLength: 97_000 })).toBe(100_000);
    expect(raw.equals(noise(100_000))).toBe(true);
  });

  it('seals the frames of a pack where they stand, and hashes what came of it', async () => {
    const key = randomBytes(32);
    const repositoryId = randomBytes(16);
    const bodies = [noise(1000, 1), noise(5, 2), noise(70_000, 3)];
    const file = shared(Buffer.concat(bodies.flatMap((body) => [body, Buffer.alloc(TAG_BYTES)])));
    const storedLengths = Uint32Array.from(bodies, (body) => body.length + TAG_BYTES);
    const frameOffsets = Uint32Array.from(bodies, (_, i) => storedLengths.subarray(0, i).reduce((a, b) => a + b, 0));
    const hash = await newPool().run({ type: 'sealPack', file: regionOf(file), key, repositoryId, frameOffsets, storedLengths });
    expect(hash).toBe(createHash('sha256').update(file).digest('hex'));
    bodies.forEach((body, i) => {
      const sealed = file.subarray(frameOffsets[i], frameOffsets[i]! + storedLengths[i]!);
      expect(unsealFrame(key, repositoryId, i, sealed).equals(body)).toBe(true);
      expect(() => unsealFrame(key, repositoryId, i + 1, sealed)).toThrow();
    });
  });

  describe.each([
    ['a thread', () => newPool()],
    ['the own thread', () => JOBS_HERE],
  ])('opening frames in %s', (_, place) => {
    const key = randomBytes(32);
    const repositoryId = randomBytes(16);
    const sealed = (body: Buffer): Uint8Array => {
      const frame = sealFrame(key, repositoryId, 3, body);
      return new Uint8Array(Buffer.concat([frame.sealed, frame.tag]));
    };
    const job = (plaintext: Buffer, body: Buffer, over: Partial<OpenFrameJob> = {}): OpenFrameJob => {
      return { type: 'openFrame', sealed: sealed(body), key, repositoryId, number: 3, plainLength: plaintext.length, ...over };
    };
    const compressed = (plaintext: Buffer): OpenFrameJob => job(plaintext, zstdCompressSync(plaintext));

    it.each([
      ['raw', noise(200_000), (bytes: Buffer) => job(bytes, bytes)],
      ['compressed', Buffer.alloc(1_000_000, 'row after row\n'), compressed],
      ['tiny', Buffer.alloc(100, 'row'), compressed],
      ['the largest', Buffer.alloc(MAX_FRAME_BYTES, 'row after row\n'), compressed],
    ])('gives the plaintext of one that is %s', async (_kind, plaintext, jobOf) => {
      expect(plaintext.equals((await opened(place(), jobOf(plaintext))).plaintext)).toBe(true);
    });

    it('gives the ids of the chunks that are asked for', async () => {
      const plaintext = noise(100_000);
      const places = [70_000, 30_000, 0, 1000];
      const { ids } = await opened(place(), job(plaintext, plaintext, { chunks: { places: Uint32Array.from(places), idKey } }));
      const expected = [plaintext.subarray(70_000), plaintext.subarray(0, 1000)];
      const id = (chunk: Buffer): Buffer => createHmac('sha256', idKey).update(chunk).digest();
      expect(Buffer.from(ids).toString('hex')).toBe(Buffer.concat(expected.map(id)).toString('hex'));
    });

    it.each([
      ['a changed bit', { sealed: sealed(noise(100)).map((byte, i) => (i === 50 ? byte ^ 1 : byte)) }, /changed/],
      ['a missing end', { sealed: sealed(noise(100)).subarray(0, 10).slice() }, /too short/],
      ['the number of another frame', { number: 4 }, /changed/],
      ['the key of another pack', { key: randomBytes(32) }, /changed/],
      ['the length of another frame', { plainLength: 99 }, /decompress/],
      ['a length beyond all bounds', { plainLength: 2 ** 32 - 1 }, /larger/],
      ['compressed bytes of another length', { sealed: sealed(zstdCompressSync(Buffer.alloc(5000))), plainLength: 4999 }, /another length/],
      ['compressed bytes without bounds', { sealed: sealed(zstdCompressSync(Buffer.alloc(5_000_000))), plainLength: 4999 }, /decompress/],
    ])('gives nothing but the reason for one with %s', async (_what, over, reason) => {
      expect(await place().run(job(noise(100), noise(100), over))).toEqual({ fault: expect.stringMatching(reason) });
    });
  });

  it('starts another thread when those it has are busy, and no more than may be used', async () => {
    const pool = newPool(3);
    const busy = (): OpenFrameJob => {
      const [key, repositoryId, plainLength] = [randomBytes(32), randomBytes(16), 1000];
      return { type: 'openFrame', sealed: new Uint8Array(2000), key, repositoryId, number: 0, plainLength };
    };
    const first = pool.leastBusy();
    expect(pool.leastBusy()).toBe(first);
    const waiting = [first.run(busy())];
    expect(pool.leastBusy(1)).toBe(first);
    const second = pool.leastBusy();
    expect(second).not.toBe(first);
    waiting.push(second.run(busy()), first.run(busy()));
    expect(pool.leastBusy(2)).toBe(second);
    await Promise.all(waiting);
    expect(pool.leastBusy()).toBe(first);
  });

  it('fails a job that throws with its error, and goes on with the next', async () => {
    const pool = newPool(1);
    const outside = { ...regionOf(shared(noise(1000))), length: 5000 };
    await expect(pool.run({ type: 'compress', bytes: outside, speed: 'default', maxLength: 1 })).rejects.toThrow(/outside|bounds|range/i);
    expect(await pool.run({ type: 'endDigest', stream: 1 })).toBe(createHash('sha256').digest('hex'));
  });

  it('refuses memory that a thread would only get a copy of', async () => {
    await expect(
      Promise.resolve().then(() => newPool().run({ type: 'compress', bytes: regionOf(noise(1000)), speed: 'default', maxLength: 1 })),
    ).rejects.toMatchObject({ code: 'internal' });
  });

  it('fails everything that waits for a thread that dies, and starts another one', async () => {
    const pool = newPool(1);
    const place = pool.leastBusy();
    const frame = regionOf(shared(noise(4_000_000)));
    const waiting = Promise.allSettled([1, 2, 3].map(() => place.run({ type: 'compress', bytes: frame, speed: 'small', maxLength: 1 })));
    await pool.end();
    for (const outcome of await waiting) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'internal', retryable: true } });
    }
    await expect(place.run({ type: 'endDigest', stream: 1 })).rejects.toMatchObject({ code: 'internal' });
    expect(await pool.run({ type: 'endDigest', stream: 1 })).toHaveLength(64);
  });

  it('ends its threads when they have nothing to do', async () => {
    const pool = newPool(2, 20);
    await pool.run({ type: 'endDigest', stream: 1 });
    expect(pool.started).toBe(true);
    for (let i = 0; i < 100 && pool.started; i++) await sleep(50);
    expect(pool.started).toBe(false);
  });

  it('keeps a thread that knows the beginning of a stream, however long the source pauses', async () => {
    const pool = newPool(2, 20);
    const place = pool.leastBusy();
    const bytes = noise(2000);
    const digest = (from: number): Promise<Uint8Array> =>
      place.run({ type: 'digest', stream: 78, bytes: regionOf(shared(bytes.subarray(from, from + 1000))), lengths: [1000], idKey });
    await digest(0);
    await sleep(200);
    await digest(1000);
    expect(await place.run({ type: 'endDigest', stream: 78 })).toBe(createHash('sha256').update(bytes).digest('hex'));
    for (let i = 0; i < 100 && pool.started; i++) await sleep(50);
    expect(pool.started).toBe(false);
  });
});

async function opened(place: JobPlace, job: OpenFrameJob): Promise<{ plaintext: Uint8Array; ids: Uint8Array }> {
  const result = await place.run(job);
  if ('fault' in result) throw new Error(result.fault);
  return result;
}
