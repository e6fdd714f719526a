import { beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { openRepository } from '../open-repository.js';
import type { CollectReport, Repository } from '../repository.js';
import { newRepository, noise } from '../testing/builders.js';
import { commitRange, follow, listed, logBytes, logNames, position, readLog, STREAM } from '../testing/log-builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { reopen } from '../testing/siblings.js';

const HOUR_MS = 60 * 60_000;
const nameOf = (from: number, to: number): string => `${position(from)}_${position(to)}`;
const MERGED = nameOf(0, 600);
const BOUNDS = [0, 100, 200, 300, 400, 500, 600];

describe('a collection of many small logs', () => {
  let store: MemoryStore;
  let repository: Repository;
  let now: number;
  beforeEach(async () => {
    store = new MemoryStore();
    repository = await newRepository(store);
    now = Date.parse('2026-11-24T10:00:00.000Z');
    store.now = () => new Date(now);
  });

  const collectLater = (collector = repository): Promise<CollectReport> => {
    now += 2 * HOUR_MS;
    return collector.collect();
  };
  const expectWhole = async (to = 600): Promise<void> => {
    expect((await readLog(repository)).equals(logBytes(0, to))).toBe(true);
    expect((await repository.check({ level: 'deep' })).problems.filter(({ severity }) => severity === 'damage')).toEqual([]);
  };

  it('makes one of those that follow each other, with all that they said, and leaves the young ones alone', async () => {
    const manifests = await follow(repository, BOUNDS);
    const { mergedLogs } = await repository.collect();
    expect(mergedLogs).toBe(0);
    expect(await collectLater()).toMatchObject({ logs: 6, mergedLogs: 6 });
    const [merged] = await Array.fromAsync(repository.logs());
    expect(merged).toMatchObject({ ok: true, ...logNames(0, 600), id: `logs/${STREAM}/${MERGED}` });
    const { first, last, range, objects, sizeBytes, addedBytes, commits, writer, createdAt } = (merged as typeof merged & { ok: true })
      .manifest;
    expect({ first, last, range, sizeBytes, commits, writer, createdAt }).toEqual({
      ...logNames(0, 600),
      range: { timeline: 1, start: '0/0', end: '0/258' },
      sizeBytes: 600,
      commits: 6,
      writer: 'follower',
      createdAt: manifests[5]!.createdAt,
    });
    expect(objects).toEqual(manifests.flatMap((manifest) => manifest.objects));
    expect(addedBytes).toBe(manifests.reduce((sum, manifest) => sum + manifest.addedBytes, 0));
    expect(store.names('logs/')).toHaveLength(1);
    await expectWhole();
    // Nothing is left to do; and the merged one takes up what comes later on the same day.
    store.calls = [];
    expect(await collectLater()).toMatchObject({ mergedLogs: 0 });
    expect(store.calls.filter((call) => /^(put|remove) logs/.test(call))).toEqual([]);
    await follow(repository, [600, 700, 800, 900]);
    expect(await collectLater()).toMatchObject({ mergedLogs: 4 });
    expect(await listed(repository.logs())).toEqual([nameOf(0, 900)]);
    await expectWhole(900);
  });

  it.each([
    ['gaps', async () => follow(repository, [10_000, 10_100, 10_200]).then(() => follow(repository, [10_300, 10_400, 10_500]))],
    ['writers', async () => follow(repository, [0, 100, 200], 'one').then(() => follow(repository, [200, 300, 400], 'other'))],
    [
      'days',
      async () => {
        await follow(repository, [0, 100, 200, 300]);
        now += 24 * HOUR_MS;
        await follow(repository, [300, 400]);
      },
    ],
    [
      'timelines',
      async () => {
        await follow(repository, [0, 100, 200, 300]);
        await using session = await repository.beginWriting({ writer: 'follower' });
        await commitRange(session, [300, 400], { range: { timeline: 2, start: '0/12C', end: '0/190' } });
      },
    ],
  ])('does not merge across %s', async (_, commitAll) => {
    await commitAll();
    const before = store.names('logs/');
    expect(await collectLater()).toMatchObject({ mergedLogs: 0 });
    expect(store.names('logs/')).toEqual(before);
  });

  it('does not merge what lacks a chunk, and so spoils nothing', async () => {
    await follow(repository, [0, 100, 200]);
    const before = store.names('packs/');
    await follow(repository, [200, 300]);
    const lacking = store.names('packs/').find((name) => !before.includes(name))!;
    await follow(repository, [300, 400, 500, 600]);
    store.files.delete(lacking);
    expect(await collectLater()).toMatchObject({ mergedLogs: 0, missingChunks: 1 });
  });

  it('may be broken off at any call: nothing is missing then, and the next one ends it', async () => {
    await follow(repository, BOUNDS);
    const [files, at] = [new Map(store.files), now];
    for (let nth = 1, done = false; !done; nth++) {
      store.files.clear();
      for (const [name, file] of files) store.files.set(name, file);
      now = at;
      let calls = 0;
      store.onCall = (operation, name) => {
        if (name.startsWith('logs/') && operation !== 'get' && ++calls >= nth) throw new RahatError('storage_unreachable', 'cut off');
      };
      done = await collectLater().then(
        () => true,
        () => false,
      );
      store.onCall = () => undefined;
      expect((await readLog(repository)).equals(logBytes(0, 600))).toBe(true);
      for (let again = 0; again < 2; again++) await collectLater();
      expect({ nth, logs: await listed(repository.logs()) }).toEqual({ nth, logs: [MERGED] });
      await expectWhole();
      expect(nth).toBeLessThan(30);
    }
  });

  it('may meet another one at any call', async () => {
    await follow(repository, BOUNDS);
    const other = await reopen(store);
    const [files, at] = [new Map(store.files), now];
    for (let nth = 1; ; nth++) {
      store.files.clear();
      for (const [name, file] of files) store.files.set(name, file);
      now = at;
      let calls = 0;
      store.onCall = async (operation, name) => {
        if (!name.startsWith('logs/') || operation === 'get' || ++calls !== nth) return;
        store.onCall = () => undefined;
        await follow(other, [600, 700]);
        await other.collect();
        calls = nth;
      };
      await collectLater();
      expect((await readLog(repository)).equals(logBytes(0, calls < nth ? 600 : 700))).toBe(true);
      if (calls < nth) break;
      store.onCall = () => undefined;
      for (let again = 0; again < 2; again++) await collectLater();
      await expectWhole(700);
      expect(nth).toBeLessThan(30);
    }
  });

  it('is not missed by who lists while it goes on', async () => {
    await follow(repository, BOUNDS);
    const other = await reopen(store);
    for (const when of ['list logs/', 'get logs/'] as const) {
      now += 2 * HOUR_MS;
      store.onCall = async (operation, name) => {
        if (!`${operation} ${name}`.startsWith(when)) return;
        store.onCall = () => undefined;
        await new Promise(setImmediate);
        await other.collect();
      };
      expect((await readLog(repository)).equals(logBytes(0, 600))).toBe(true);
    }
    // The other one has seen the pieces before they were merged: nothing that the merged one needs is taken for dead.
    await follow(repository, [600, 700, 800, 900]);
    now += 2 * HOUR_MS;
    store.onCall = async (operation, name) => {
      if (operation !== 'get' || !name.startsWith('logs/')) return;
      store.onCall = () => undefined;
      await other.collect();
    };
    expect(await repository.collect()).toMatchObject({ condemned: { dead: { packs: 0 } }, missingChunks: 0 });
    await expectWhole(900);
  });

  it('keeps both of two that overlap with different contents', async () => {
    await follow(repository, BOUNDS);
    await using session = await repository.beginWriting({ writer: 'an old follower' });
    await commitRange(session, [100, 150], {}, noise(50, 3));
    await collectLater();
    expect(await listed(repository.logs())).toContain(nameOf(100, 150));
    await collectLater();
    expect(await listed(repository.logs())).toContain(nameOf(100, 150));
  });

  it('keeps an undo waiting that it might take back', async () => {
    await follow(repository, BOUNDS);
    now += 2 * HOUR_MS;
    let refused: unknown;
    // Retention takes the merged one and a piece away before the pieces are removed; then somebody wants the piece back.
    store.onCall = async (operation, name) => {
      if (operation !== 'remove' || !name.startsWith('logs/')) return;
      store.onCall = () => undefined;
      await repository.removeLogsBefore(STREAM, position(600));
      refused = await repository.restoreLog(STREAM, logNames(500, 600)).catch((error: unknown) => error);
    };
    await repository.collect();
    expect(refused).toMatchObject({ code: 'conflict', retryable: true });
    expect(store.names('logs/')).toEqual([]);
    now += HOUR_MS;
    await repository.restoreLog(STREAM, logNames(500, 600));
    await repository.restoreLog(STREAM, logNames(0, 600));
    await expectWhole();
  });

  it('leaves what the storage locks', async () => {
    store.capabilities.objectLock = true;
    await follow(repository, BOUNDS);
    const locked = store.names('logs/')[0]!;
    await store.extendLock(locked, new Date(Date.now() + 24 * HOUR_MS));
    await collectLater();
    expect(await listed(repository.logs())).toEqual([nameOf(0, 100), nameOf(100, 600)]);
  });

  it('makes few index segments of many, and few packs, where it has the key to their data; a write-only key leaves the packs', async () => {
    const bounds = Array.from({ length: 21 }, (_, i) => i * 100);
    await follow(repository, bounds);
    expect([store.names('logs/'), store.names('index/'), store.names('packs/')].map(({ length }) => length)).toEqual([20, 20, 20]);
    const credential = repository.exportWriteOnlyCredential();
    const writeOnly = await openRepository(store, { type: 'write-only', credential });
    for (let days = 0; days < 2; days++) {
      now += 25 * HOUR_MS;
      await writeOnly.collect();
    }
    expect([store.names('logs/').length, store.names('packs/').length]).toEqual([1, 20]);
    expect(store.names('index/').length).toBeLessThan(4);
    for (let days = 0; days < 2; days++) {
      now += 25 * HOUR_MS;
      await repository.collect();
    }
    expect([store.names('logs/').length, store.names('packs/').length]).toEqual([1, 1]);
    expect(store.names('index/').length).toBeLessThan(4);
    await expectWhole(2000);
  });
});
