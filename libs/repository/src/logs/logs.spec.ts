import { beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { Repository } from '../repository.js';
import { backUp, collect, newRepository, noise } from '../testing/builders.js';
import { commitRange, follow, listed, logBytes, logFacts, logNames, position, readLog, STREAM } from '../testing/log-builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { reopen } from '../testing/siblings.js';

const KIB = 1024;

describe('logs', () => {
  let store: MemoryStore;
  let repository: Repository;
  beforeEach(async () => {
    store = new MemoryStore();
    repository = await newRepository(store);
  });

  it('are committed many times in one session, and listed and read by whoever opens the repository, also in parts', async () => {
    const manifests = await follow(repository, [0, 10 * KIB, 50 * KIB, 1100 * KIB]);
    expect(manifests.map(({ first, last, sizeBytes, writer, commits }) => ({ first, last, sizeBytes, writer, commits }))).toEqual([
      { ...logNames(0, 10 * KIB), sizeBytes: 10 * KIB, writer: 'follower' },
      { ...logNames(10 * KIB, 50 * KIB), sizeBytes: 40 * KIB, writer: 'follower' },
      { ...logNames(50 * KIB, 1100 * KIB), sizeBytes: 1050 * KIB, writer: 'follower' },
    ]);
    const other = await reopen(store);
    const listings = await Array.fromAsync(other.logs());
    expect(listings.map((listing) => listing.ok && listing.manifest)).toEqual(manifests);
    expect(listings[1]).toMatchObject({ stream: STREAM, ...logNames(10 * KIB, 50 * KIB), id: store.names('logs/')[1] });
    expect((await readLog(other)).equals(logBytes(0, 1100 * KIB))).toBe(true);
    await using reader = await other.beginReading();
    const part = await collect(reader.readObject(manifests[2]!.objects[0]!, { range: { offset: 1000 * KIB, length: 7 } }));
    expect(part).toEqual(logBytes(1050 * KIB, 1050 * KIB + 7));
  });

  it('cost three puts and two looks each, and no listing', async () => {
    await using session = await repository.beginWriting({ writer: 'follower' });
    await commitRange(session, [0, 1000]);
    store.calls = [];
    await commitRange(session, [1000, 2000]);
    expect(store.calls.map((call) => call.replace(/[^/ ]+$/, '…').replace(/packs\/../, 'packs/…'))).toEqual([
      'put packs/…/…',
      'put index/…',
      'stat leases/…',
      `put logs/${STREAM}/…`,
      `stat logs/${STREAM}/…`,
    ]);
  });

  it('are listed by stream and from a position on: what holds it or comes behind it', async () => {
    await follow(repository, [0, 100, 200, 300]);
    await using session = await repository.beginWriting({ writer: 'follower' });
    await session.commitLog('stream_2', logNames(5, 6), logFacts(5, 6), []);
    const all = [`${position(0)}_${position(100)}`, `${position(100)}_${position(200)}`, `${position(200)}_${position(300)}`];
    expect(await listed(repository.logs({ stream: STREAM }))).toEqual(all);
    expect(await listed(repository.logs({ stream: STREAM, from: position(150) }))).toEqual(all.slice(1));
    expect(await listed(repository.logs({ stream: STREAM, from: position(200) }))).toEqual(all.slice(2));
    expect(await listed(repository.logs({ stream: STREAM, from: position(301) }))).toEqual([]);
    expect(await listed(repository.logs({ from: position(250) }))).toEqual(all.slice(2));
    expect(await listed(repository.logs())).toHaveLength(4);
  });

  it('that are damaged come as their error, and hide no other', async () => {
    await follow(repository, [0, 100, 200]);
    const [name, next] = store.names('logs/') as [string, string];
    store.files.get(name)!.bytes[60]! ^= 1;
    expect(await Array.fromAsync(repository.logs())).toMatchObject([
      { ok: false, id: name, error: { code: 'repository_damaged' } },
      { ok: true, id: next },
    ]);
    // One that is put in the place of another doesn't open there.
    store.files.set(name, store.files.get(next)!);
    expect(await Array.fromAsync(repository.logs())).toMatchObject([{ ok: false }, { ok: true }]);
  });

  it('are committed again with success where the bytes are the same, also by the follower that came next; with other bytes they are refused', async () => {
    await using session = await repository.beginWriting({ writer: 'follower' });
    const manifest = await commitRange(session, [0, 100]);
    const before = store.files.get(manifest && store.names('logs/')[0]!)!.bytes;
    expect(await commitRange(session, [0, 100])).toEqual(manifest);
    await using next = await (await reopen(store)).beginWriting({ writer: 'the next' });
    expect(await commitRange(next, [0, 100], { attempt: 2 })).toEqual(manifest);
    for (const each of [session, next])
      await expect(commitRange(each, [0, 100], {}, noise(100, 5))).rejects.toMatchObject({ code: 'conflict' });
    expect(store.files.get(store.names('logs/')[0]!)!.bytes).toEqual(before);
  });

  it('refuse names that are none, and snapshots refuse theirs', async () => {
    await using session = await repository.beginWriting({ writer: 'follower' });
    for (const [stream, first] of [
      ['Stream', 'a'],
      ['a/b', 'a'],
      ['stream', 'x'],
      ['stream', ''],
      ['s'.repeat(51), 'a'],
    ] as const)
      // prettier-ignore
      await expect(session.commitLog(stream, { first, last: 'b' }, logFacts(0, 1), [])).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(repository.moveToTrash('logs')).rejects.toMatchObject({ code: 'invalid_input' });
    expect(store.names('logs/')).toEqual([]);
  });

  it('do not count when they were put after the end of the lease', async () => {
    await using session = await repository.beginWriting({ writer: 'follower' });
    await commitRange(session, [0, 100]);
    store.onCall = (operation, name) => {
      if (operation === 'put' && name.startsWith('logs/')) store.now = () => new Date(Date.now() + 31 * 60_000);
    };
    // Its chunks lie in no other pack, as after a collection that took them away.
    const gone = store.names('packs/').length;
    store.onCall = ((before) => (operation: string, name: string) => {
      if (operation === 'put' && name.startsWith('logs/'))
        for (const pack of store.names('packs/').slice(gone - 1)) store.files.delete(pack);
      return before(operation, name);
    })(store.onCall);
    await expect(commitRange(session, [100, 200])).rejects.toMatchObject({ code: 'lease_lost' });
    expect(store.names('logs/')).toHaveLength(1);
  });

  it('are whole or absent wherever a commit fails, and the same follower can repeat it', async () => {
    for (let nth = 1; ; nth++) {
      await using session = await repository.beginWriting({ writer: 'follower' });
      let calls = 0;
      store.onCall = (operation, name) => {
        if (name.startsWith('leases/') && operation === 'put') return;
        if (++calls === nth) throw new RahatError('storage_unreachable', 'cut off');
      };
      const range: [number, number] = [nth * 100, nth * 100 + 100];
      const failed = await commitRange(session, range).then(() => false, () => true); // prettier-ignore
      store.onCall = () => undefined;
      expect((await repository.check({ level: 'structure' })).problems.filter(({ severity }) => severity === 'damage')).toEqual([]);
      if (!failed) break;
      await using again = await repository.beginWriting({ writer: 'follower' });
      await commitRange(again, range);
      expect((await readLog(repository)).equals(logBytes(100, range[1]))).toBe(true);
      expect(nth).toBeLessThan(10);
    }
  });

  it('are live: a collection keeps what they need, and a check names what they lack', async () => {
    await backUp(repository, 'backup_1', { rows: noise(30_000) });
    await follow(repository, [0, 1000, 2000]);
    const packs = store.names('packs/');
    let now = Date.now();
    store.now = () => new Date(now);
    for (let day = 0; day < 3; day++) {
      now += 25 * 60 * 60_000;
      expect(await repository.collect()).toMatchObject({ snapshots: 1, logs: 2, deleted: { packs: 0 }, condemned: { dead: { packs: 0 } } });
    }
    expect(store.names('packs/')).toEqual(packs);
    expect((await readLog(repository)).equals(logBytes(0, 2000))).toBe(true);
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1, logs: 2, problems: [] });

    store.files.delete(packs.at(-1)!);
    const [backup, ...logs] = ['backup_1', ...store.names('logs/')];
    const { problems } = await repository.check({ level: 'structure' });
    const affected = problems.flatMap(({ affects }) => affects).map(({ snapshot }) => snapshot);
    expect([backup, ...logs]).toEqual(expect.arrayContaining(affected));
    expect(affected).toHaveLength(1);
  });

  it('are taken away like snapshots: to the trash, from where they come back, until they are purged with what only they needed', async () => {
    await follow(repository, [0, 1000, 2000]);
    const names = logNames(0, 1000);
    for (let twice = 0; twice < 2; twice++) await repository.removeLog(STREAM, names);
    expect([store.names('logs/').length, store.names('trash/')]).toEqual([1, [`trash/logs/${STREAM}/${names.first}_${names.last}`]]);
    expect(await listed(repository.logs({ trash: true }))).toEqual([`${names.first}_${names.last}`]);
    expect(await Array.fromAsync(repository.catalog())).toEqual([]);
    let now = Date.now();
    store.now = () => new Date(now);
    now += 48 * 60 * 60_000;
    expect(await repository.collect()).toMatchObject({ logs: 2, purgedLogs: [], condemned: { dead: { packs: 0 } } });
    expect(await repository.check({ level: 'structure' })).toMatchObject({ healthy: true, logs: 1, orphanPacks: 0 });
    for (let twice = 0; twice < 2; twice++) await repository.restoreLog(STREAM, names);
    expect((await readLog(repository)).equals(logBytes(0, 2000))).toBe(true);

    await repository.removeLog(STREAM, names);
    now += 8 * 24 * 60 * 60_000;
    expect(await repository.collect()).toMatchObject({ logs: 1, purgedLogs: [`logs/${STREAM}/${names.first}_${names.last}`] });
    await expect(repository.restoreLog(STREAM, names)).rejects.toMatchObject({ code: 'snapshot_not_found' });
    now += 25 * 60 * 60_000;
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 1 } });
    expect((await readLog(repository)).equals(logBytes(1000, 2000))).toBe(true);
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('are taken away up to a position: what ends behind it stays whole', async () => {
    await follow(repository, [0, 1000, 2000, 3000]);
    expect(await repository.removeLogsBefore(STREAM, position(999))).toEqual([]);
    const names = store.names('logs/');
    expect(await repository.removeLogsBefore(STREAM, position(2001))).toEqual(names.slice(0, 2));
    expect((await readLog(repository)).equals(logBytes(2000, 3000))).toBe(true);
    expect(await Array.fromAsync(repository.logs({ trash: true }), ({ id }) => id)).toEqual(names.slice(0, 2));
    await expect(repository.removeLogsBefore(STREAM, 'x')).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('count in what a repository holds', async () => {
    await backUp(repository, 'backup_1', { rows: noise(10_000) });
    await follow(repository, [0, 1000, 2000]);
    expect(await repository.stats()).toMatchObject({ snapshots: 1, logs: 2, packs: 3, logicalBytes: 12_000, uniqueChunks: 3 });
    expect(await repository.survey()).toMatchObject({
      snapshots: 1,
      newest: [{ id: 'backup_1' }],
      streams: [{ stream: STREAM, logs: 2, last: position(2000), storedAt: expect.any(Date) }],
    });
  });
});
