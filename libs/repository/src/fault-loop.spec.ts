import { describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { Repository } from './repository.js';
import { backUp, describing, digests, newRepository, noise, pieces, restore, snapshotFacts } from './testing/builders.js';
import { CONTENT, filesOf, reopen, siblings, writeContent } from './testing/siblings.js';
import { MemoryStore } from './testing/memory-store.js';

/** How a call fails: nothing happened, or it happened and its answer was lost. */
const FAULTS = ['fails', 'takes effect and its answer is lost'] as const;

class FaultyMemory extends MemoryStore {
  private callsSeen = 0;
  private strikeAt = Infinity;
  private fault: (typeof FAULTS)[number] = 'fails';

  arm(nthCall: number, fault: (typeof FAULTS)[number]): void {
    [this.callsSeen, this.strikeAt, this.fault] = [0, nthCall, fault];
  }

  /** Whether the fault has struck. */
  disarm(): boolean {
    const struck = this.callsSeen >= this.strikeAt;
    this.strikeAt = Infinity;
    return struck;
  }

  override put(...call: Parameters<MemoryStore['put']>): Promise<void> {
    return this.struck(() => super.put(...call));
  }

  override get(...call: Parameters<MemoryStore['get']>): Promise<Buffer> {
    return this.struck(() => super.get(...call));
  }

  override stat(...call: Parameters<MemoryStore['stat']>): ReturnType<MemoryStore['stat']> {
    return this.struck(() => super.stat(...call));
  }

  override remove(...call: Parameters<MemoryStore['remove']>): Promise<void> {
    return this.struck(() => super.remove(...call));
  }

  override extendLock(...call: Parameters<MemoryStore['extendLock']>): Promise<void> {
    return this.struck(() => super.extendLock(...call));
  }

  override async *list(prefix: string): ReturnType<MemoryStore['list']> {
    const entries = await this.struck(() => Array.fromAsync(super.list(prefix)));
    yield* entries;
  }

  private async struck<T>(call: () => Promise<T>): Promise<T> {
    const strikes = ++this.callsSeen === this.strikeAt;
    if (strikes && this.fault === 'fails') throw lost();
    const answer = await call();
    if (strikes) throw lost();
    return answer;
  }
}

const lost = (): RahatError => new RahatError('storage_unreachable', 'Injected');

function faultyCopy(store: MemoryStore): FaultyMemory {
  const copy = new FaultyMemory();
  copy.capabilities.objectLock = store.capabilities.objectLock;
  for (const [name, file] of store.files) copy.files.set(name, file);
  return copy;
}

interface Scenario {
  /** What stands before. */
  before: () => Promise<{ here: MemoryStore; sibling: MemoryStore }>;
  run: (repository: Repository, sibling: Repository) => Promise<unknown>;
  /** What must hold after the operation was repeated. */
  after: (repository: Repository, sibling: Repository) => Promise<void>;
  /** The trash is emptied by it. */
  purges?: true;
}

const NEW = { rows: noise(90_000, 2), pages: CONTENT['pages']! };

async function withSnapshots(damage: (store: MemoryStore) => void = () => undefined): Promise<{ here: MemoryStore; sibling: MemoryStore }> {
  const [here, sibling] = await siblings();
  for (const { repository } of [here, sibling]) {
    await writeContent(repository, 'backup_1');
    await backUp(repository, 'backup_2', { more: noise(40_000, 5) });
  }
  damage(here.store);
  return { here: here.store, sibling: sibling.store };
}

function damageData(store: MemoryStore): void {
  // The largest pack holds the rows; one frame of it is hit.
  const [largest] = store.names('packs/').toSorted((a, b) => store.files.get(b)!.bytes.length - store.files.get(a)!.bytes.length);
  const bytes = Buffer.from(store.files.get(largest!)!.bytes);
  bytes[400]! ^= 1;
  store.files.set(largest!, { ...store.files.get(largest!)!, bytes });
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** As if nothing had been put for so long. */
function age(store: MemoryStore, days: number): MemoryStore {
  for (const [name, file] of store.files)
    store.files.set(name, { ...file, modifiedAt: new Date(file.modifiedAt.getTime() - days * DAY_MS) });
  return store;
}

/** Of its packs one is dead, one sparse, some are small, and one belongs to a writer that died. */
async function withGarbage(): Promise<{ here: MemoryStore; sibling: MemoryStore }> {
  const { here, sibling } = await withSnapshots();
  const repository = await reopen(here);
  await backUp(repository, 'backup_shared', { ...NEW, shared: noise(60_000, 6) });
  await backUp(repository, 'backup_sparse', { shared: noise(60_000, 6) });
  for (let n = 0; n < 7; n++) await backUp(repository, `backup_small-${n}`, { small: noise(20_000, 30 + n) });
  for (const id of ['backup_2', 'backup_shared']) await repository.moveToTrash(id);
  await using dead = await repository.beginWriting({ writer: 'worker-2' });
  await dead.writeObject(describing('lost'), pieces(noise(50_000, 8)));
  const index = here.names('index/');
  await expect(dead.commit('backup_lost', { ...snapshotFacts(), attempt: 0 }, [])).rejects.toThrow();
  here.names('index/').forEach((name) => index.includes(name) || here.files.delete(name));
  return { here: age(here, 30), sibling };
}

const keepsContent = async (repository: Repository): Promise<void> => {
  expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));
  expect(digests(await restore(repository, 'backup_sparse'))).toEqual(digests({ shared: noise(60_000, 6) }));
};

const removeIndex = (store: MemoryStore): void => store.names('index/').forEach((name) => store.files.delete(name));

const isWhole = async (repository: Repository): Promise<void> =>
  expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });

const SCENARIOS: Record<string, Scenario> = {
  'a backup': {
    before: () => withSnapshots(),
    run: (repository) => backUp(repository, 'backup_3', NEW),
    after: async (repository) => expect(digests(await restore(repository, 'backup_3'))).toEqual(digests(NEW)),
  },
  'a second commit': {
    before: () => withSnapshots(),
    run: async (repository) => {
      await using session = await repository.beginWriting({ writer: 'worker-1' });
      for (const id of ['backup_3', 'backup_4']) {
        const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
        await session.commit(id, snapshotFacts(), [object]);
      }
    },
    after: async (repository) => expect(digests(await restore(repository, 'backup_4'))).toEqual(digests({ rows: NEW.rows })),
  },
  'a restore': {
    before: () => withSnapshots(),
    run: async (repository) => expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT)),
    after: () => Promise.resolve(),
  },
  'a restore around a lost index': {
    before: () => withSnapshots(removeIndex),
    run: async (repository) => expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT)),
    after: async (repository) => void (await repository.repairIndex()),
  },
  'a check': {
    before: () => withSnapshots(),
    run: (repository) => isWhole(repository),
    after: () => Promise.resolve(),
  },
  'a repair of the index': {
    before: () => withSnapshots(removeIndex),
    run: (repository) => repository.repairIndex(),
    after: () => Promise.resolve(),
  },
  'a repair of packs': {
    before: () => withSnapshots(damageData),
    run: (repository) => repository.repairPacks(),
    after: async (repository) => {
      await writeContent(repository, 'backup_3');
      expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));
    },
  },
  'healing from a sibling': {
    before: () => withSnapshots((store) => store.files.delete(store.names('packs/')[0]!)),
    run: (repository, sibling) => repository.healFrom(sibling),
    after: async (repository) => {
      await repository.repairIndex();
      expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT));
    },
  },
  'a collection that condemns': {
    before: withGarbage,
    run: (repository) => repository.collect(),
    after: async (repository) => {
      expect(await repository.collect()).toMatchObject({ missingChunks: 0, unreadable: [] });
      await keepsContent(repository);
    },
    purges: true,
  },
  'a collection that deletes': {
    before: async () => {
      const { here, sibling } = await withGarbage();
      const { condemned, copied } = await (await reopen(here)).collect();
      expect(condemned).toMatchObject({ dead: { packs: 2 }, sparse: { packs: 1 }, small: { packs: 8 } });
      expect(copied.packs).toBeGreaterThan(0);
      return { here: age(here, 2), sibling };
    },
    run: (repository) => repository.collect(),
    after: async (repository) => {
      const { deleted, waiting } = await repository.collect();
      expect([deleted.packs, waiting.packs]).toEqual([0, 0]);
      await keepsContent(repository);
    },
  },
  'a lock': {
    before: async () => {
      const { here, sibling } = await withSnapshots();
      here.capabilities.objectLock = true;
      return { here, sibling };
    },
    run: (repository) => repository.lock({ until: new Date(Date.now() + 400 * DAY_MS) }),
    after: async (repository) => expect(await repository.lock()).toMatchObject({ extended: { files: 0 }, failed: [] }),
  },
  'a new way in': {
    before: () => withSnapshots(),
    run: (repository) => repository.keys.add({ type: 'recovery', label: 'safe' }),
    after: async (repository) => expect(await repository.keys.list()).not.toContainEqual(expect.objectContaining({ state: 'unusable' })),
  },
  'another way in for one that goes': {
    before: async () => {
      const { here, sibling } = await withSnapshots();
      await (await reopen(here)).keys.add({ type: 'recovery', label: 'old' });
      return { here, sibling };
    },
    run: async (repository) => {
      const old = (await repository.keys.list()).find((slot) => slot.state === 'whole' && slot.label === 'old');
      if (old) await repository.keys.replace(old.id, { type: 'recovery', label: 'new' });
    },
    after: async (repository) => {
      const labels = (await repository.keys.list()).map((slot) => (slot.state === 'whole' ? slot.label : slot.error.message));
      expect(labels).not.toContain('old');
      expect(labels).toEqual(expect.arrayContaining(['passphrase', 'new']));
    },
  },
  'a copy to a repository that is no sibling': {
    before: async () => {
      const { here } = await withSnapshots();
      const other = new MemoryStore();
      await backUp(await newRepository(other), 'backup_3', NEW);
      return { here, sibling: other };
    },
    run: async (repository, other) => expect(await other.copyTo(repository, { rechunk: true })).toMatchObject({ failed: [] }),
    after: async (repository) => expect(digests(await restore(repository, 'backup_3'))).toEqual(digests(NEW)),
  },
  'a copy from a sibling': {
    before: async () => {
      const { here, sibling } = await withSnapshots();
      await backUp(await reopen(sibling), 'backup_3', NEW);
      return { here, sibling };
    },
    run: async (repository, sibling) => expect(await sibling.copyTo(repository)).toMatchObject({ failed: [] }),
    after: async (repository) => expect(digests(await restore(repository, 'backup_3'))).toEqual(digests(NEW)),
  },
  'a removal to the trash': {
    before: () => withSnapshots(),
    run: (repository) => repository.moveToTrash('backup_2'),
    after: async (repository) => {
      await expect(repository.findSnapshot('backup_2')).rejects.toMatchObject({ code: 'snapshot_not_found' });
      await repository.restoreFromTrash('backup_2');
    },
  },
  'an undo of a removal': {
    before: async () => {
      const { here, sibling } = await withSnapshots();
      await (await reopen(here)).moveToTrash('backup_2');
      return { here, sibling };
    },
    run: (repository) => repository.restoreFromTrash('backup_2'),
    after: async (repository) => expect(await repository.findSnapshot('backup_2')).toMatchObject({ snapshot: 'backup_2' }),
  },
};

const PATIENCE_MS = 300_000;

describe.each(FAULTS)('where each call to the storage once %s', (fault) => {
  it.each(Object.entries(SCENARIOS))(
    '%s is repeated with success, and the repository is whole',
    async (_, { before, run, after, purges }) => {
      const base = await before();
      const sibling = await reopen(filesOf(base.sibling));
      let faults = 0;
      for (let n = 1; ; n++) {
        const store = faultyCopy(base.here);
        const repository = await reopen(store);
        store.arm(n, fault);
        const outcome = await run(repository, sibling).then(
          () => undefined,
          (error: unknown) => error,
        );
        const struck = store.disarm();
        if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'storage_unreachable' });
        if (!struck) break;
        faults++;
        // A fresh process, as after a crash.
        const next = await reopen(store);
        const places = purges ? ['snapshots/'] : ['snapshots/', 'trash/'];
        const kept = (of: MemoryStore): number => places.reduce((sum, prefix) => sum + of.names(prefix).length, 0);
        expect(kept(store)).toBeGreaterThanOrEqual(kept(base.here));
        await run(next, sibling);
        await after(next, sibling);
        await isWhole(next);
      }
      expect(faults).toBeGreaterThan(2);
    },
    PATIENCE_MS,
  );

  it('a creation is repeated with success, or it was complete', async () => {
    for (let n = 1; ; n++) {
      const store = new FaultyMemory();
      store.arm(n, fault);
      await newRepository(store).catch((error: unknown) => expect(error).toMatchObject({ code: 'storage_unreachable' }));
      const struck = store.disarm();
      if (!store.files.has('rahat.json')) await newRepository(store);
      const repository = await reopen(store);
      await backUp(repository, 'backup_1', { rows: NEW.rows });
      await isWhole(repository);
      if (!struck) break;
    }
  });
});

describe('a check', () => {
  it('takes a backup, a removal and an undo that happen in any moment of it for no damage', async () => {
    const { here } = await withSnapshots();
    for (let n = 1; ; n++) {
      const store = filesOf(here);
      const repository = await reopen(store);
      const other = await reopen(store);
      let calls = 0;
      store.onCall = async () => {
        if (++calls !== n) return;
        await backUp(other, 'backup_3', { rows: noise(30_000, 9) });
        await other.moveToTrash('backup_2');
        await other.moveToTrash('backup_1');
        await other.restoreFromTrash('backup_1');
      };
      const report = await repository.check({ level: 'deep' });
      if (calls < n) break;
      expect({ n, damage: report.problems.filter(({ severity }) => severity === 'damage') }).toEqual({ n, damage: [] });
    }
  });
});
