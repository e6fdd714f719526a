import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { ByteRange, CallOptions } from '@rahat/blob-store-port';
import fc from 'fast-check';
import { openRepository, type OpenOptions } from '../open-repository.js';
import type { ReadSession, WritableFile } from '../repository.js';
import type { ChunkClass, StoredObject } from '../snapshots/manifest.js';
import { backUp, collect, describing, newRepository, noise, PASSPHRASE, pieces, snapshotFacts } from '../testing/builders.js';
import { flip } from '../testing/damage.js';
import { MemoryStore } from '../testing/memory-store.js';
import type { Job, JobResult } from '../threads/jobs.js';
import { ThreadPool, type JobPlace } from '../threads/thread-pool.js';

/** Counts the frames that its threads open, and answers late, by turns. */
class WatchedPool extends ThreadPool {
  opened = 0;
  private turn = 0;

  constructor(private readonly delaysMs: number[] = [0]) {
    super(3);
  }

  override leastBusy(most?: number): JobPlace {
    const place = super.leastBusy(most);
    return {
      run: async <J extends Job>(job: J): Promise<JobResult<J>> => {
        if (job.type === 'openFrame') this.opened++;
        const result = await place.run(job);
        await sleep(this.delaysMs[this.turn++ % this.delaysMs.length]);
        return result;
      },
    };
  }
}

const pools: ThreadPool[] = [];
afterAll(() => Promise.all(pools.map((pool) => pool.end())));

/** A pool that has started, so that short streams are read on its threads too. */
async function startedPool(delaysMs?: number[]): Promise<WatchedPool> {
  const pool = new WatchedPool(delaysMs);
  pools.push(pool);
  while (!pool.warmUp()) await sleep(5);
  return pool;
}

interface Content {
  bytes: Buffer;
  class?: ChunkClass;
}

async function stored(content: Content[]): Promise<{ store: MemoryStore; objects: StoredObject[] }> {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  await using session = await repository.beginWriting({ writer: 'worker-1', speed: 'fast' });
  const objects: StoredObject[] = [];
  for (const [i, { bytes, class: chunkClass }] of content.entries())
    objects.push(await session.writeObject(describing(`object ${i}`, { class: chunkClass ?? 'rows' }), pieces(bytes)));
  await session.commit('backup_1', snapshotFacts(), objects);
  return { store, objects };
}

async function reading(store: MemoryStore, options: OpenOptions = {}): Promise<ReadSession> {
  return (await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, options)).beginReading();
}

/** A stream, and later versions of it that share most of their chunks with it, so that pieces of several frames alternate. */
const FIRST = Buffer.concat([noise(3_000_000, 1), Buffer.alloc(2_000_000, 'the same row again\n'), noise(2_500_000, 2)]);
const SECOND = Buffer.from(FIRST);
for (let at = 150_000; at < SECOND.length; at += 400_000) noise(3000, at).copy(SECOND, at);
const PAGES = Buffer.concat(Array.from({ length: 200 }, (_, page) => (page % 5 === 2 ? noise(32_768, page) : Buffer.alloc(32_768))));
const CONTENT: Content[] = [
  { bytes: FIRST },
  { bytes: SECOND },
  { bytes: PAGES, class: 'pages' },
  ...Array.from({ length: 5 }, (_, i) => ({ bytes: noise(1000 * i, i) })),
];

/** A file that takes up to `most` bytes at once. */
class ReluctantFile implements WritableFile {
  readonly bytes: Buffer;
  constructor(
    sizeBytes: number,
    private readonly most: number,
  ) {
    this.bytes = Buffer.alloc(sizeBytes, '?');
  }

  async writev(parts: Buffer[], position: number): Promise<{ bytesWritten: number }> {
    await sleep(0);
    return { bytesWritten: Buffer.concat(parts).copy(this.bytes, position, 0, this.most) };
  }
}

/** Doesn't answer for packs while it hangs, but to who cancels. */
class HangingStore extends MemoryStore {
  private answer = Promise.withResolvers<void>();

  constructor({ files }: MemoryStore) {
    super();
    for (const [name, file] of files) this.files.set(name, file);
    this.goOn();
  }

  hang(): void {
    this.answer = Promise.withResolvers<void>();
  }

  goOn(): void {
    this.answer.resolve();
  }

  override async get(name: string, range?: ByteRange, { signal }: CallOptions = {}): Promise<Buffer> {
    const cancelled = Promise.withResolvers<void>();
    signal?.addEventListener('abort', () => cancelled.reject(signal.reason));
    if (name.startsWith('packs/')) await Promise.race([this.answer.promise, cancelled.promise]);
    return super.get(name, range);
  }
}

describe('a reading session', () => {
  it('gives any stream and any part of it, several at once, however late threads answer and however little memory there is', async () => {
    const { store, objects } = await stored(CONTENT);
    const request = fc.record({
      object: fc.nat(objects.length - 1),
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      how: fc.constantFrom('whole', 'verified', 'part', 'file'),
      most: fc.integer({ min: 60_000, max: 3_000_000 }),
    });
    const run = fc.record({
      requests: fc.array(request, { minLength: 1, maxLength: 5 }),
      delaysMs: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 3, maxLength: 9 }),
      frameMemoryBytes: fc.constantFrom(1, 2_000_000, 60_000_000),
      threads: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(run, async ({ requests, delaysMs, frameMemoryBytes, threads }) => {
        const pool = threads ? await startedPool(delaysMs) : undefined;
        await using session = await reading(store, { frameMemoryBytes, threads: pool });
        await Promise.all(
          requests.map(async ({ object: index, from, share, how, most }) => {
            const [object, { bytes }] = [objects[index]!, CONTENT[index]!];
            if (how === 'file') {
              const file = new ReluctantFile(bytes.length, most);
              await session.readObjectInto(object, file);
              expect(file.bytes.equals(bytes)).toBe(true);
              return;
            }
            const offset = Math.floor(bytes.length * from);
            const range = { offset, length: Math.floor((bytes.length - offset) * share) };
            const read = await collect(session.readObject(object, how === 'part' ? { range } : { verifyChunks: how === 'verified' }));
            expect(read.equals(how === 'part' ? bytes.subarray(offset, offset + range.length) : bytes)).toBe(true);
          }),
        );
        await pool?.end();
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('lets streams that wait for each other go on when they have taken all memory', async () => {
    const { store, objects } = await stored(CONTENT);
    await using session = await reading(store, { frameMemoryBytes: 1_500_000, threads: await startedPool() });
    const streams = Array.from({ length: 12 }, (_, i) => session.readObject(objects[i % 2]!)[Symbol.asyncIterator]());
    const found = streams.map(() => [] as Buffer[]);
    for (let left = streams.length; left > 0;) {
      left = 0;
      for (const [i, stream] of streams.entries()) {
        const next = await stream.next();
        if (next.done) continue;
        found[i]!.push(Buffer.from(next.value));
        left++;
      }
    }
    for (const [i, parts] of found.entries()) expect(Buffer.concat(parts).equals(CONTENT[i % 2]!.bytes)).toBe(true);
  });

  it('writes into a file of the system', async () => {
    const { store, objects } = await stored(CONTENT);
    const folder = await mkdtemp(join(tmpdir(), 'rahat-reading-'));
    try {
      await using session = await reading(store);
      for (const [i, object] of objects.entries()) {
        await using file = await open(join(folder, String(i)), 'wx');
        await session.readObjectInto(object, file);
        expect((await readFile(join(folder, String(i)))).equals(CONTENT[i]!.bytes)).toBe(true);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('opens a frame once, however often a stream repeats its chunks', async () => {
    const { store, objects } = await stored([{ bytes: Buffer.alloc(60_000_000), class: 'pages' }]);
    const pool = await startedPool();
    await using session = await reading(store, { threads: pool });
    const file = new ReluctantFile(60_000_000, 60_000_000);
    await session.readObjectInto(objects[0]!, file);
    expect(file.bytes.equals(Buffer.alloc(60_000_000))).toBe(true);
    expect(pool.opened).toBeLessThanOrEqual(1);
    expect(store.calls.filter((call) => call.startsWith('get packs/')).length).toBeLessThanOrEqual(4);
  });

  it('fetches a frame once for all the small objects that lie in it', async () => {
    const { store, objects } = await stored(Array.from({ length: 300 }, (_, i) => ({ bytes: noise(2000, i) })));
    await using session = await reading(store);
    store.calls = [];
    for (const [i, object] of objects.entries()) expect((await collect(session.readObject(object))).equals(noise(2000, i))).toBe(true);
    // The pack's header, and the frame.
    expect(store.calls.filter((call) => call.startsWith('get packs/'))).toHaveLength(2);
  });

  it('looks for what a thread finds damaged in another pack', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    // Two writers that don't know of each other store the same chunks.
    await using one = await repository.beginWriting({ writer: 'worker-1' });
    await using other = await repository.beginWriting({ writer: 'worker-2' });
    const objects: StoredObject[] = [];
    for (const session of [one, other]) objects.push(await session.writeObject(describing('rows'), pieces(FIRST)));
    await one.commit('backup_1', snapshotFacts(), [objects[0]!]);
    await other.commit('backup_2', snapshotFacts({ attempt: 2 }), [objects[1]!]);
    const damaged = store.names('packs/').find((name) => store.files.get(name)!.bytes.length > 5_000_000)!;
    for (const offset of [500, 1_500_000, 3_000_000]) await flip(store, damaged, offset);
    for (const verifyChunks of [false, true]) {
      await using session = await reading(store, { threads: await startedPool() });
      expect((await collect(session.readObject(objects[0]!, { verifyChunks }))).equals(FIRST)).toBe(true);
      const file = new ReluctantFile(FIRST.length, FIRST.length);
      await session.readObjectInto(objects[1]!, file);
      expect(file.bytes.equals(FIRST)).toBe(true);
    }
  });

  it('resolves for no file whose bytes differ from what was backed up', async () => {
    const { store, objects } = await stored(CONTENT);
    await using session = await reading(store);
    const file = new ReluctantFile(FIRST.length, FIRST.length);
    const another = { ...objects[0]!, sha256: objects[1]!.sha256 };
    await expect(session.readObjectInto(another, file)).rejects.toMatchObject({ code: 'repository_damaged' });
    const longer = { ...objects[0]!, sizeBytes: FIRST.length + 1 };
    await expect(session.readObjectInto(longer, file)).rejects.toMatchObject({ code: 'repository_damaged' });
  });

  it('passes on the error of a file as it is, and reads on for others', async () => {
    const { store, objects } = await stored(CONTENT);
    await using session = await reading(store, { frameMemoryBytes: 3_000_000 });
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC', syscall: 'write' });
    await expect(session.readObjectInto(objects[0]!, { writev: () => Promise.reject(full) })).rejects.toBe(full);
    await expect(session.readObjectInto(objects[0]!, { writev: () => Promise.resolve({ bytesWritten: 0 }) })).rejects.toMatchObject({
      code: 'internal',
    });
    expect((await collect(session.readObject(objects[1]!))).equals(SECOND)).toBe(true);
  });

  it('goes on for one stream when another is cancelled that had asked for the same frames first', async () => {
    const { store, objects } = await stored(CONTENT);
    const hanging = new HangingStore(store);
    await using session = await reading(hanging);
    hanging.hang();
    const controller = new AbortController();
    const first = collect(session.readObject(objects[0]!, { signal: controller.signal }));
    const second = collect(session.readObject(objects[0]!));
    await sleep(5);
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    hanging.goOn();
    expect((await second).equals(FIRST)).toBe(true);
  });

  it('fails with the cause when a thread dies, and can be tried again', async () => {
    const { store, objects } = await stored([{ bytes: noise(12_000_000) }]);
    const pool = await startedPool([5]);
    await using session = await reading(store, { threads: pool });
    const read = async (): Promise<void> => {
      for await (const bytes of session.readObject(objects[0]!)) {
        void bytes;
        await pool.end();
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'internal', retryable: true });
    while (!pool.warmUp()) await sleep(5);
    expect((await collect(session.readObject(objects[0]!))).equals(noise(12_000_000))).toBe(true);
  });

  it('starts no thread for what is read sooner than one has started', async () => {
    const { store } = await stored(CONTENT);
    const pool = new ThreadPool(2);
    pools.push(pool);
    const repository = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, { threads: pool });
    await using session = await repository.beginReading();
    for (const object of (await repository.findSnapshot('backup_1')).objects) await collect(session.readObject(object));
    expect(pool.started).toBe(false);
  });

  it('starts threads for a long stream, and opens frames itself until one is there', async () => {
    const rows = noise(40_000_000);
    const store = new MemoryStore();
    await backUp(await newRepository(store), 'backup_1', { rows });
    const pool = new WatchedPool();
    pools.push(pool);
    const repository = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, { threads: pool });
    await using session = await repository.beginReading();
    const { objects } = await repository.findSnapshot('backup_1');
    expect((await collect(session.readObject(objects[0]!))).equals(rows)).toBe(true);
    expect(pool.started).toBe(true);
    while (!pool.warmUp()) await sleep(5);
    expect((await collect(session.readObject(objects[0]!))).equals(rows)).toBe(true);
    expect(pool.opened).toBeGreaterThan(10);
  });
});
