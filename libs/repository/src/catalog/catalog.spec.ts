import { beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { Repository } from '../repository.js';
import { backUp, describing, newRepository, noise, pieces, snapshotFacts } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { reopen } from '../testing/siblings.js';

const MANY = 30;

describe('the catalog of a repository', () => {
  let store: MemoryStore;
  let repository: Repository;
  beforeEach(async () => {
    store = new MemoryStore();
    repository = await newRepository(store);
  });
  const catalog = async (after?: string) => Array.fromAsync((await reopen(store)).catalog({ after }));

  it('tells by the storage alone what was backed up, by whom, from where and with what evidence', async () => {
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    const objects = [
      await session.writeObject(describing('rows/public/orders'), pieces(noise(40_000)), () => ({ rows: 12, rowHash: 'ab' })),
      await session.writeObject(describing('rows/public/items'), pieces(noise(20_000, 2)), () => ({ rows: 30 })),
      await session.writeObject(describing('ddl', { kind: 'ddl' }), pieces(Buffer.from('create table'))),
    ];
    const facts = snapshotFacts({ evidence: { cleanExit: true, trailerSeen: true, objectsExpected: 3 } });
    const manifest = await session.commit('backup_1', facts, objects);
    const { objects: _contents, ...known } = manifest;
    const storedAt = store.files.get('snapshots/backup_1')!.modifiedAt;
    expect(await catalog()).toEqual([{ ok: true, id: 'backup_1', place: 'snapshots', storedAt, facts: known, objects: 3, rows: 42 }]);
    expect(known).toMatchObject({ ...facts, writer: 'worker-1', sizeBytes: 60_012, snapshot: 'backup_1' });
  });

  it('names what lies in the trash as such, and what is damaged with its error', async () => {
    for (const id of ['backup_1', 'backup_2', 'backup_3']) await backUp(repository, id, { rows: noise(1000, 4) });
    await repository.moveToTrash('backup_1');
    store.files.get('snapshots/backup_3')!.bytes[70]! ^= 1;
    expect((await catalog()).map(({ place, id, ok }) => [place, id, ok])).toEqual([
      ['snapshots', 'backup_2', true],
      ['snapshots', 'backup_3', false],
      ['trash', 'backup_1', true],
    ]);
    store.files.set('trash/backup_2', store.files.get('snapshots/backup_2')!);
    expect(await catalog()).toHaveLength(3);
    expect((await catalog())[1]).toMatchObject({ error: { code: 'repository_damaged' } });
  });

  it('goes on where one left off, and gives each snapshot once', async () => {
    for (let n = 0; n < MANY; n++) await backUp(repository, `backup_${String(n).padStart(3, '0')}`, { rows: noise(100, 4) });
    for (let n = 0; n < MANY; n += 3) await repository.moveToTrash(`backup_${String(n).padStart(3, '0')}`);
    const whole = (await catalog()).map(({ place, id }) => `${place}/${id}`);
    expect(new Set(whole).size).toBe(MANY);
    for (const from of [0, 7, MANY - 11, MANY - 1]) {
      expect((await catalog(whole[from])).map(({ place, id }) => `${place}/${id}`)).toEqual(whole.slice(from + 1));
    }
  });

  it('tells until when the storage locks a snapshot', async () => {
    store.capabilities.objectLock = true;
    await backUp(repository, 'backup_1', { rows: noise(1000) });
    const until = new Date(Date.now() + 3_600_000);
    await repository.lock({ until });
    await backUp(repository, 'backup_2', { rows: noise(1000) });
    const [first, second] = await catalog();
    expect(first).toMatchObject({ id: 'backup_1', lockedUntil: until });
    expect(second).not.toHaveProperty('lockedUntil');
  });

  it('says that the storage does not answer, instead of leaving something out', async () => {
    await backUp(repository, 'backup_1', { rows: noise(1000) });
    store.onCall = (operation, name) => {
      if (operation === 'get' && name.startsWith('snapshots/')) throw new RahatError('storage_unreachable', 'unplugged');
    };
    await expect(Array.fromAsync(repository.catalog())).rejects.toMatchObject({ code: 'storage_unreachable' });
  });
});
