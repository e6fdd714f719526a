import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openRepository } from '../open-repository.js';
import type { Repository } from '../repository.js';
import { collect, describing, newRepository, noise, PASSPHRASE, pieces, snapshotFacts } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import type { Job, JobResult } from '../threads/jobs.js';
import { ThreadPool, type JobPlace } from '../threads/thread-pool.js';

/** Answers late, and later jobs of one place sometimes before earlier ones of another. */
class SlowPool extends ThreadPool {
  private turn = 0;
  constructor(private readonly delaysMs: number[]) {
    super(3);
  }

  override leastBusy(): JobPlace {
    const place = super.leastBusy();
    return {
      run: async <J extends Job>(job: J): Promise<JobResult<J>> => {
        const result = await place.run(job);
        await sleep(this.delaysMs[this.turn++ % this.delaysMs.length]);
        return result;
      },
    };
  }
}

const pools: ThreadPool[] = [];
afterAll(() => Promise.all(pools.map((pool) => pool.end())));

async function repositoryOn(store: MemoryStore, pool: ThreadPool): Promise<Repository> {
  pools.push(pool);
  await newRepository(store);
  return openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, { threads: pool });
}

describe('a writing session on threads', () => {
  it('stores every stream in its order, however late the threads answer', async () => {
    const delays = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 3, maxLength: 9 });
    const lengths = fc.array(fc.integer({ min: 0, max: 9_000_000 }), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(delays, lengths, async (delaysMs, sizes) => {
        const pool = new SlowPool(delaysMs);
        pool.leastBusy();
        const repository = await repositoryOn(new MemoryStore(), pool);
        await using session = await repository.beginWriting({ writer: 'worker-1', speed: 'fast' });
        const content = sizes.map((size, i) => noise(size, i % 2));
        const objects = await Promise.all(
          content.map((bytes, i) => session.writeObject(describing(`object ${i}`), pieces(bytes, 100_000 + i * 7777))),
        );
        await session.commit('backup_1', snapshotFacts(), objects);
        await using reader = await repository.beginReading();
        for (const [i, object] of objects.entries()) {
          expect((await collect(reader.readObject(object, { verifyChunks: true }))).equals(content[i]!)).toBe(true);
        }
      }),
      { numRuns: 6 },
    );
  });

  it('gives the same object as a session that stays on its own thread', async () => {
    const bytes = noise(5_000_000);
    const identitySecret = Buffer.alloc(32, 7);
    const write = async (started: boolean): Promise<unknown> => {
      const store = new MemoryStore();
      const pool = new ThreadPool(2);
      pools.push(pool);
      if (started) pool.leastBusy();
      await newRepository(store, { identitySecret });
      const repository = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, { threads: pool });
      await using session = await repository.beginWriting({ writer: 'worker-1' });
      const object = await session.writeObject(describing('rows'), pieces(bytes));
      expect(pool.started).toBe(started);
      return object;
    };
    expect(await write(true)).toEqual(await write(false));
  });

  it('goes on with a stream whose source pauses for longer than idle threads are kept', async () => {
    const pool = new ThreadPool(2, 20);
    const repository = await repositoryOn(new MemoryStore(), pool);
    const content = noise(24_000_000);
    async function* pausing(): AsyncGenerator<Buffer> {
      yield* pieces(content.subarray(0, 12_000_000));
      await sleep(500);
      yield* pieces(content.subarray(12_000_000));
    }
    await using session = await repository.beginWriting({ writer: 'worker-1', speed: 'fast' });
    const object = await session.writeObject(describing('rows'), pausing());
    await session.commit('backup_1', snapshotFacts(), [object]);
    await using reader = await repository.beginReading();
    expect((await collect(reader.readObject(object))).equals(content)).toBe(true);
  });

  it('fails with the cause when a thread dies, commits nothing, and the next session works', async () => {
    const pool = new ThreadPool(2);
    const store = new MemoryStore();
    const repository = await repositoryOn(store, pool);
    async function* killing(): AsyncGenerator<Buffer> {
      yield* pieces(noise(12_000_000));
      await pool.end();
      yield* pieces(noise(12_000_000, 2));
    }
    {
      await using session = await repository.beginWriting({ writer: 'worker-1' });
      await expect(session.writeObject(describing('rows'), killing())).rejects.toMatchObject({
        code: 'internal',
        message: expect.stringContaining('thread'),
      });
    }
    expect(store.names('leases/')).toEqual([]);
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    const objects = [await session.writeObject(describing('rows'), pieces(noise(12_000_000)))];
    await session.commit('backup_1', snapshotFacts(), objects);
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1 });
  });

  it('can be cancelled at any moment, and leaves no lease and no thread at work', async () => {
    const pool = new ThreadPool(2);
    const repositoryStore = new MemoryStore();
    const repository = await repositoryOn(repositoryStore, pool);
    for (const cancelAtBytes of [0, 1_000_000, 5_000_000, 14_000_000, 20_000_000]) {
      const controller = new AbortController();
      let sent = 0;
      async function* source(): AsyncGenerator<Buffer> {
        for await (const piece of pieces(noise(20_000_000, 4))) {
          if (sent >= cancelAtBytes) controller.abort(new Error('the owner said so'));
          sent += piece.length;
          yield piece;
        }
        controller.abort(new Error('the owner said so'));
      }
      const attempt = async (): Promise<void> => {
        await using session = await repository.beginWriting({ writer: 'worker-1', signal: controller.signal });
        await session.writeObject(describing('rows'), source());
      };
      await expect(attempt()).rejects.toMatchObject({ code: 'cancelled' });
      expect(repositoryStore.names('leases/')).toEqual([]);
      expect(pool.idle).toBe(true);
    }
  });
});
