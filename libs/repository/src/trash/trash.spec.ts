import { describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { Repository } from '../repository.js';
import { backUp, digests, newRepository, noise, restore } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { reopen } from '../testing/siblings.js';

const MINUTE_MS = 60_000;
const CONTENT = { rows: noise(60_000, 3) };

describe('a removal to the trash', () => {
  it('loses nothing when somebody brings the snapshot back at any moment of it', async () => {
    for (let n = 1; ; n++) {
      const store = new MemoryStore();
      const repository = await newRepository(store);
      await backUp(repository, 'backup_1', CONTENT);
      const other = await reopen(store);
      let calls = 0;
      let broughtBack = false;
      store.onCall = async () => {
        if (++calls !== n) return;
        store.onCall = () => undefined;
        broughtBack = await other.restoreFromTrash('backup_1').then(
          () => true,
          () => false,
        );
        calls = n;
      };
      await repository.moveToTrash('backup_1');
      if (calls < n) break;
      const inTrash = store.files.has('trash/backup_1');
      expect({ n, kept: inTrash || store.files.has('snapshots/backup_1') }).toEqual({ n, kept: true });
      if (inTrash) await repository.restoreFromTrash('backup_1');
      expect(broughtBack || inTrash).toBe(true);
      expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));
    }
  });

  it('is not undone between its two steps, and whoever asks is told so; a removal that was broken off there is, when its time is over', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', CONTENT);
    let now = Date.now() + 1000;
    store.now = () => new Date(now);
    store.onCall = (operation, name) => {
      if (operation === 'remove' && name === 'snapshots/backup_1') throw new RahatError('storage_unreachable', 'cut off');
    };
    await expect(repository.moveToTrash('backup_1')).rejects.toMatchObject({ code: 'storage_unreachable' });
    store.onCall = () => undefined;
    now += 10 * MINUTE_MS;
    await expect(repository.restoreFromTrash('backup_1')).rejects.toMatchObject({ code: 'conflict', retryable: true });
    now += 25 * MINUTE_MS;
    for (let twice = 0; twice < 2; twice++) await repository.restoreFromTrash('backup_1');
    expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));

    // Its copy is purged like any other, and nobody is told that the snapshot is gone.
    now += 8 * 24 * 60 * MINUTE_MS;
    expect(await repository.collect()).toMatchObject({ snapshots: 1, purgedSnapshots: [] });
    expect([store.names('snapshots/'), store.names('trash/')]).toEqual([['snapshots/backup_1'], []]);
  });

  it('that comes to its second step after the undo leaves the snapshot alone', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', CONTENT);
    const other = await reopen(store);
    let now = Date.now() + 1000;
    store.now = () => new Date(now);
    // Delivered twice, and the second one hangs until all is over.
    let asleep = false;
    store.onCall = async (operation, name) => {
      if (asleep || operation !== 'stat' || name !== 'trash/backup_1') return;
      asleep = true;
      now += 1000;
      await other.moveToTrash('backup_1');
      now += 1000;
      await other.restoreFromTrash('backup_1');
    };
    await repository.moveToTrash('backup_1');
    expect(store.names('snapshots/')).toEqual(['snapshots/backup_1']);
    expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));
  });

  it('puts nothing back that a collection may have deleted while the process was suspended', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', CONTENT);
    const puts: string[] = [];
    store.onCall = (operation, name) => {
      if (operation === 'put') puts.push(name);
      if (operation !== 'remove' || name !== 'snapshots/backup_1') return;
      store.files.delete('trash/backup_1');
      store.now = () => new Date(Date.now() + 2 * 60 * 60 * 1000);
    };
    await repository.moveToTrash('backup_1');
    expect(puts).not.toContain('snapshots/backup_1');
    expect(store.names('snapshots/')).toEqual([]);
  });
});

describe('an undo', () => {
  /** Falls asleep right before its put, for longer than its lease, while `meanwhile` is done. */
  async function undoTooLate(store: MemoryStore, repository: Repository, meanwhile: () => void | Promise<void>): Promise<void> {
    const atMs = Date.now();
    store.onCall = async (operation, name) => {
      if (operation !== 'put' || name !== 'snapshots/backup_1') return;
      store.onCall = () => undefined;
      await meanwhile();
      store.now = () => new Date(atMs + 2 * 60 * MINUTE_MS);
    };
    await expect(repository.restoreFromTrash('backup_1')).rejects.toMatchObject({ code: 'lease_lost' });
  }

  it('that comes too late leaves what another one has brought back meanwhile', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', CONTENT);
    await repository.moveToTrash('backup_1');
    const other = await reopen(store);
    await undoTooLate(store, repository, () => other.restoreFromTrash('backup_1'));
    expect([store.names('snapshots/'), store.names('trash/')]).toEqual([['snapshots/backup_1'], []]);
    expect(digests(await restore(other, 'backup_1'))).toEqual(digests(CONTENT));
  });

  it('that is repeated too late leaves what the first one has brought back', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', CONTENT);
    const manifest = store.files.get('snapshots/backup_1')!;
    await repository.moveToTrash('backup_1');
    // The removal was broken off between its two steps.
    await store.put('snapshots/backup_1', manifest.bytes);
    await undoTooLate(store, repository, () => undefined);
    expect(store.names('snapshots/')).toEqual(['snapshots/backup_1']);
    expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));
  });

  it('that comes too late puts nothing back whose chunks a collection has deleted', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', CONTENT);
    await repository.moveToTrash('backup_1');
    await undoTooLate(store, repository, () => {
      for (const name of [...store.names('trash/'), ...store.names('packs/'), ...store.names('index/')]) store.files.delete(name);
    });
    expect(store.names('snapshots/')).toEqual([]);
  });
});
