import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { backUp, describing, digests, noise, pieces, restore, snapshotFacts } from '../testing/builders.js';
import { flip } from '../testing/damage.js';
import { CONTENT, place, reopen, siblings, writeContent } from '../testing/siblings.js';

const EXPECTED = digests(CONTENT);
/** Cut in hundreds of pieces in each of two versions that share most of them. */
const FIRST = noise(10_000_000, 31);
const SECOND = Buffer.concat([FIRST.subarray(0, 2_500_000), noise(100_000, 32), FIRST.subarray(2_500_000)]);

describe('a copy between siblings', () => {
  it('moves only what is missing, and the copies are restored from the target alone', async () => {
    const [source, target] = await siblings();
    await writeContent(source.repository, 'backup_1');
    await backUp(source.repository, 'backup_2', { rows: FIRST });
    await writeContent(target.repository, 'backup_own');

    const plan = await source.repository.copyTo(target.repository, { dryRun: true });
    expect(target.store.names('snapshots/')).toEqual(['snapshots/backup_own']);
    const first = await source.repository.copyTo(target.repository);
    // All of backup_1's chunks are there already, by a backup of the same data.
    expect(first.copied).toMatchObject([{ snapshot: 'backup_1', chunks: 0, bytes: 0 }, { snapshot: 'backup_2' }]);
    // Its rows, and the recipe of its rows.
    expect(first.copied[1]!.bytes - FIRST.length).toBeGreaterThan(0);
    expect(first.copied[1]!.bytes - FIRST.length).toBeLessThan(12_000);
    expect(plan.copied).toEqual(first.copied);
    expect(first).toMatchObject({ failed: [], verification: { healthy: true, level: 'read-data', snapshots: 2 } });

    await backUp(source.repository, 'backup_3', { rows: SECOND });
    const second = await source.repository.copyTo(target.repository);
    expect(second).toMatchObject({ present: ['backup_1', 'backup_2'], copied: [{ snapshot: 'backup_3' }] });
    expect(second.copied[0]!.bytes).toBeLessThan(800_000);

    source.store.files.clear();
    const alone = await reopen(target.store);
    expect(digests(await restore(alone, 'backup_1'))).toEqual(EXPECTED);
    expect(digests(await restore(alone, 'backup_3'))).toEqual(digests({ rows: SECOND }));
    expect(await alone.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 4, problems: [] });
  });

  it('keeps what a manifest says of its backup, the date of its commit included', async () => {
    const [source, target] = await siblings();
    const original = await backUp(source.repository, 'backup_1', { rows: noise(50_000) });
    await source.repository.copyTo(target.repository);
    expect(await target.repository.findSnapshot('backup_1')).toEqual({
      ...original,
      repository: target.repository.id,
      addedBytes: expect.any(Number),
    });
  });

  it('copies the snapshots that are named, oldest first', async () => {
    const [source, target] = await siblings();
    for (const n of [1, 2, 3]) await backUp(source.repository, `backup_0000000${n}`, { rows: noise(20_000, n) });
    const report = await source.repository.copyTo(target.repository, { snapshots: ['latest', '00000001'] });
    expect(report.copied.map(({ snapshot }) => snapshot)).toEqual(['backup_00000001', 'backup_00000003']);
    await expect(source.repository.copyTo(target.repository, { snapshots: ['backup_9'] })).rejects.toMatchObject({
      code: 'snapshot_not_found',
    });
  });

  it('looks for many that are named with no more requests under way than a session may have', async () => {
    const [source, target] = await siblings();
    const names = Array.from({ length: 150 }, (_, i) => `backup_${i}`);
    await using session = await source.repository.beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(noise(20_000)));
    for (const name of names) await session.commit(name, snapshotFacts(), [object]);
    let open = 0;
    let most = 0;
    source.store.onCall = async () => {
      most = Math.max(most, ++open);
      await sleep(1);
      open--;
    };
    const report = await source.repository.copyTo(target.repository, { snapshots: names, dryRun: true });
    expect(report.copied.map(({ snapshot }) => snapshot).toSorted()).toEqual(names.toSorted());
    expect(most).toBeGreaterThan(10);
    expect(most).toBeLessThanOrEqual(64);
  });

  it('goes on where it was broken off: what came is not read again', async () => {
    const [source, target] = await siblings();
    for (const n of [1, 2]) await backUp(source.repository, `backup_${n}`, { rows: noise(3_000_000, n) });
    target.store.onCall = (operation, name) => {
      if (operation === 'put' && name === 'snapshots/backup_2') throw new RahatError('storage_unreachable', 'cut off');
    };
    await expect(source.repository.copyTo(target.repository)).rejects.toMatchObject({ code: 'storage_unreachable' });
    target.store.onCall = () => undefined;
    expect(await target.repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1 });
    const report = await source.repository.copyTo(target.repository);
    expect(report).toMatchObject({ present: ['backup_1'], copied: [{ snapshot: 'backup_2', chunks: 0 }] });
    expect(await target.repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 2, orphanPacks: 0 });
  });

  it('tells of a snapshot that is damaged at its source, and copies the others', async () => {
    const [source, target] = await siblings();
    await backUp(source.repository, 'backup_1', { rows: noise(300_000, 1) });
    await flip(source.store, source.store.names('packs/')[0]!, 300);
    await backUp(source.repository, 'backup_2', { rows: noise(300_000, 2) });
    await backUp(source.repository, 'backup_3', { rows: noise(300_000, 3) });
    await flip(source.store, 'snapshots/backup_3', 60);
    const report = await source.repository.copyTo(target.repository);
    expect(report.copied).toMatchObject([{ snapshot: 'backup_2' }]);
    expect(report.failed.map(({ snapshot, code }) => [snapshot, code]).sort()).toEqual([
      ['backup_1', 'repository_damaged'],
      ['backup_3', 'repository_damaged'],
    ]);
    expect(target.store.names('snapshots/')).toEqual(['snapshots/backup_2']);
  });

  it('neither brings back what retention took away nor touches another snapshot of the same id', async () => {
    const [source, target] = await siblings();
    for (const n of [1, 2]) await backUp(source.repository, `backup_${n}`, { rows: noise(20_000, n) });
    await backUp(target.repository, 'backup_1', { rows: noise(20_000, 99) });
    await backUp(target.repository, 'backup_2', { rows: noise(20_000, 2) });
    await target.repository.moveToTrash('backup_2');
    const report = await source.repository.copyTo(target.repository);
    expect(report).toMatchObject({ copied: [], inTrash: ['backup_2'], failed: [{ snapshot: 'backup_1', code: 'conflict' }] });
    expect(digests(await restore(target.repository, 'backup_1'))).toEqual(digests({ rows: noise(20_000, 99) }));
  });

  it('holds leases on both sides while it runs, and leaves none', async () => {
    const [source, target] = await siblings();
    await backUp(source.repository, 'backup_1', { rows: noise(20_000) });
    let held: number[] = [];
    target.store.onCall = (operation, name) => {
      if (operation === 'put' && name.startsWith('packs/'))
        held = [source.store.names('leases/').length, target.store.names('leases/').length];
    };
    await source.repository.copyTo(target.repository);
    expect(held).toEqual([1, 1]);
    expect([...source.store.names('leases/'), ...target.store.names('leases/')]).toEqual([]);
  });

  it('stops when it is cancelled', async () => {
    const [source, target] = await siblings();
    await backUp(source.repository, 'backup_1', { rows: noise(20_000) });
    const controller = new AbortController();
    const onProgress = (): void => controller.abort();
    await expect(source.repository.copyTo(target.repository, { signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(target.store.names('snapshots/')).toEqual([]);
  });
});

describe('a copy to a repository with another identity secret', () => {
  it('is refused with the way out', async () => {
    const [source, target] = [await place(), await place()];
    await expect(source.repository.copyTo(target.repository)).rejects.toMatchObject({
      code: 'invalid_input',
      hint: expect.stringContaining('--sibling-of'),
    });
    await expect(source.repository.copyTo(source.repository)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('cuts everything anew when asked to, and is repeatable', async () => {
    const [source, target] = [await place(), await place()];
    await writeContent(source.repository, 'backup_1');
    const before = target.store.names('');
    const plan = await source.repository.copyTo(target.repository, { rechunk: true, dryRun: true });
    expect(plan).toMatchObject({ dryRun: true, copied: [{ snapshot: 'backup_1' }] });
    expect(target.store.names('')).toEqual(before);
    expect(await source.repository.copyTo(target.repository, { rechunk: true })).toMatchObject({
      copied: [{ snapshot: 'backup_1' }],
      verification: { healthy: true },
    });
    expect(digests(await restore(await reopen(target.store), 'backup_1'))).toEqual(EXPECTED);
    expect(await source.repository.copyTo(target.repository, { rechunk: true })).toMatchObject({ copied: [], present: ['backup_1'] });
  });
});
