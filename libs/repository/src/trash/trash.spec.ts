import { describe, expect, it } from '@jest/globals';
import { backUp, digests, newRepository, noise, restore } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { reopen } from '../testing/siblings.js';

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
