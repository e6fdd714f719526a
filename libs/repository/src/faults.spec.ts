import { describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { SYSTEM_CLOCK } from './context.js';
import { openRepository, type OpenOptions } from './open-repository.js';
import type { Repository } from './repository.js';
import { backUp, describing, digests, newRepository, noise, PASSPHRASE, pieces, restore, snapshotFacts } from './testing/builders.js';
import { MemoryStore } from './testing/memory-store.js';

const OLD = { rows: noise(400_000, 1) };
const NEW = { rows: noise(700_000, 2), more: Buffer.alloc(5_000_000, 'compressible rows ') };
const MINUTE = 60_000;

async function withOlderSnapshot(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await backUp(await newRepository(store), 'backup_old', OLD);
  return store;
}

function copyOf(store: MemoryStore): MemoryStore {
  const copy = new MemoryStore();
  for (const [name, file] of store.files) copy.files.set(name, file);
  return copy;
}

const open = (store: MemoryStore, options: OpenOptions = {}): Promise<Repository> =>
  openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, options);

async function olderVerifiesAndNextRunWorks(store: MemoryStore): Promise<void> {
  const repository = await open(store);
  expect(digests(await restore(repository, 'backup_old'))).toEqual(digests(OLD));
  expect((await repository.check({ level: 'deep' })).healthy).toBe(true);
  await backUp(repository, 'backup_next', NEW);
  expect(digests(await restore(repository, 'backup_next'))).toEqual(digests(NEW));
}

describe('a backup whose storage fails', () => {
  it('leaves no snapshot when any one call fails, and disturbs neither the older nor the next backup', async () => {
    const base = await withOlderSnapshot();
    let failed = 0;
    for (let n = 1; ; n++) {
      const store = copyOf(base);
      const repository = await open(store);
      let calls = 0;
      store.onCall = (operation, name) => {
        if (++calls === n) throw new RahatError('storage_unreachable', `${operation} ${name} failed`);
      };
      const outcome = await backUp(repository, 'backup_new', NEW).catch((error: unknown) => error);
      store.onCall = () => undefined;
      if (calls < n) break;
      if (outcome instanceof Error) {
        failed++;
        expect(outcome).toMatchObject({ code: 'storage_unreachable' });
        // The manifest stands when only the look at it failed; whoever retries finds it whole.
        if (store.files.has('snapshots/backup_new')) expect(digests(await restore(await open(store), 'backup_new'))).toEqual(digests(NEW));
      } else {
        expect(digests(await restore(await open(store), 'backup_new'))).toEqual(digests(NEW));
      }
      await olderVerifiesAndNextRunWorks(store);
    }
    expect(failed).toBeGreaterThan(8);
  });

  it('tells clearly that the storage is full; older snapshots can still be read', async () => {
    const store = await withOlderSnapshot();
    const repository = await open(store);
    const full = (operation: string): void => {
      if (operation === 'put') throw new RahatError('storage_full', 'no space left');
    };
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    store.onCall = full;
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows)).catch(() => undefined);
    await expect(session.commit('backup_new', snapshotFacts(), object ? [object] : [])).rejects.toMatchObject({ code: 'storage_full' });
    expect(digests(await restore(await open(store), 'backup_old'))).toEqual(digests(OLD));
    expect((await (await open(store)).check({ level: 'deep' })).healthy).toBe(true);
    store.onCall = () => undefined;
    await olderVerifiesAndNextRunWorks(store);
  });

  it('is told of another writer that put the same snapshot at the same moment, where the storage has no conditional put', async () => {
    const store = await withOlderSnapshot();
    store.capabilities.conditionalPut = false;
    const elsewhere = copyOf(store);
    await backUp(await open(elsewhere), 'backup_new', { rows: noise(1_000, 3) });
    const others = elsewhere.files.get('snapshots/backup_new')!;
    store.onCall = (operation, name) => {
      // Both looked and found nothing; the other's put comes right after ours.
      if (operation === 'stat' && name === 'snapshots/backup_new' && store.files.has(name)) store.files.set(name, others);
    };
    await expect(backUp(await open(store), 'backup_new', NEW)).rejects.toMatchObject({ code: 'conflict' });
    expect(store.files.get('snapshots/backup_new')).toBe(others);
  });

  it('succeeds by repeating the commit whose answer was lost', async () => {
    const store = await withOlderSnapshot();
    await using session = await (await open(store)).beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
    store.onCall = (operation, name) => {
      if (operation !== 'put' || !name.startsWith('snapshots/')) return;
      store.onCall = () => undefined;
      // Lands, but its answer doesn't.
      return store.put(name, Buffer.from([])).then(() => Promise.reject(new RahatError('storage_unreachable', 'no answer')));
    };
    await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'storage_unreachable' });
    store.files.delete('snapshots/backup_new');
    const manifest = await session.commit('backup_new', snapshotFacts(), [object]);
    expect(await session.commit('backup_new', snapshotFacts(), [object])).toEqual(manifest);
  });

  it('puts the index segment that failed when the commit is repeated', async () => {
    const store = await withOlderSnapshot();
    await using session = await (await open(store)).beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
    store.onCall = (operation, name) => {
      if (operation === 'put' && name.startsWith('index/')) throw new RahatError('storage_unreachable', 'no answer');
    };
    await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'storage_unreachable' });
    store.onCall = () => undefined;
    await session.commit('backup_new', snapshotFacts(), [object]);
    expect(await (await open(store)).check({ level: 'structure' })).toMatchObject({ healthy: true, orphanPacks: 0 });
  });

  it('gives up on a storage that never answers', async () => {
    const store = await withOlderSnapshot();
    const repository = await open(store, { leaseTtlMs: 400 });
    store.onCall = () => new Promise(() => undefined);
    await expect(repository.findSnapshot('latest')).rejects.toMatchObject({ code: 'storage_unreachable' });
  });
});

describe('a creation that fails', () => {
  it('can be repeated, whatever call failed', async () => {
    for (let n = 1; ; n++) {
      const store = new MemoryStore();
      let calls = 0;
      store.onCall = () => {
        if (++calls === n) throw new RahatError('storage_unreachable', 'failed');
      };
      const outcome = await newRepository(store).catch((error: unknown) => error);
      store.onCall = () => undefined;
      if (calls < n) break;
      expect(outcome).toMatchObject({ code: 'storage_unreachable' });
      // Once rahat.json stands the repository is whole.
      if (!store.files.has('rahat.json')) await newRepository(store);
      await backUp(await open(store), 'backup_1', OLD);
    }
  });
});

describe('a writer that dies', () => {
  it('leaves no snapshot; its packs are found as garbage, and what is indexed is used again', async () => {
    for (const deathAt of ['index/', 'snapshots/']) {
      const store = await withOlderSnapshot();
      store.onCall = (operation, name) => {
        if (operation === 'put' && name.startsWith(deathAt)) throw new RahatError('worker_lost', 'killed');
      };
      const session = await (await open(store)).beginWriting({ writer: 'worker-1' });
      const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
      await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'worker_lost' });
      store.onCall = () => undefined;

      const repository = await open(store);
      expect(store.names('snapshots/')).toEqual(['snapshots/backup_old']);
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, orphanPacks: 1 });
      const next = await backUp(repository, 'backup_next', { rows: NEW.rows });
      expect(next.addedBytes > 0).toBe(deathAt === 'index/');
      expect(digests(await restore(repository, 'backup_next'))).toEqual(digests({ rows: NEW.rows }));
      await session[Symbol.asyncDispose]();
    }
  });

  it('is shown by its expired lease', async () => {
    const store = await withOlderSnapshot();
    const dead = await (await open(store)).beginWriting({ writer: 'worker-7' });
    store.now = () => new Date(Date.now() + 31 * MINUTE);
    const { problems } = await (await open(store)).check({ level: 'structure' });
    expect(problems).toMatchObject([{ severity: 'notice', message: expect.stringContaining('worker-7') }]);
    await dead[Symbol.asyncDispose]();
  });
});

describe('a writing session and time', () => {
  it('stops with lease_lost when its lease was taken away', async () => {
    const store = await withOlderSnapshot();
    await using session = await (await open(store)).beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
    for (const name of store.names('leases/')) store.files.delete(name);
    await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'lease_lost' });
    expect(store.names('snapshots/')).toEqual(['snapshots/backup_old']);
  });

  it('stops with lease_lost when the process was frozen for longer than half the lease', async () => {
    const store = await withOlderSnapshot();
    let frozenMs = 0;
    const clock = { ...SYSTEM_CLOCK, monotonicMs: () => performance.now() + frozenMs };
    await using session = await (await open(store, { clock })).beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
    frozenMs = 16 * MINUTE;
    await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'lease_lost' });
    frozenMs = 0;
    await expect(session.writeObject(describing('rows'), pieces(NEW.rows))).rejects.toMatchObject({ code: 'lease_lost' });
  });

  it.each([
    ['takes back', 'a collection has deleted what it needs', true, ['snapshots/backup_old']],
    ['leaves', 'it is whole, because somebody may count on it by now', false, ['snapshots/backup_new', 'snapshots/backup_old']],
  ])('%s a manifest that landed after the lease had run out, where %s', async (_does, _why, collected, standing) => {
    const store = await withOlderSnapshot();
    await using session = await (await open(store)).beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
    store.onCall = (operation, name) => {
      if (operation !== 'put' || !name.startsWith('snapshots/')) return;
      store.now = () => new Date(Date.now() + 31 * MINUTE);
      if (collected) for (const pack of store.names('packs/')) store.files.delete(pack);
    };
    await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'lease_lost' });
    expect(store.names('snapshots/')).toEqual(standing);
  });

  it.each([
    ['just before its put', 'put', 'snapshots/'],
    ['before that', 'stat', 'leases/'],
  ])('leaves what a faster worker committed, where it was stopped %s on a storage without conditional puts', async (...place) => {
    const [, stoppedIn, prefix] = place;
    const store = await withOlderSnapshot();
    store.capabilities.conditionalPut = false;
    const { rows } = NEW;
    await using session = await (await open(store)).beginWriting({ writer: 'worker-1' });
    const object = await session.writeObject(describing('rows'), pieces(rows));
    await session.commit('backup_other', snapshotFacts(), [object]);
    await using faster = await (await open(store)).beginWriting({ writer: 'worker-2' });
    const same = await faster.writeObject(describing('rows'), pieces(rows));
    store.onCall = async (operation, name) => {
      if (operation !== stoppedIn || !name.startsWith(prefix)) return;
      store.onCall = () => undefined;
      await faster.commit('backup_new', snapshotFacts(), [same]);
      store.now = () => new Date(Date.now() + 31 * MINUTE);
    };
    const committed = session.commit('backup_new', snapshotFacts(), [object]);
    await committed.catch((error: unknown) => expect(error).toMatchObject({ code: 'lease_lost' }));
    expect(digests(await restore(await open(store), 'backup_new'))).toEqual(digests({ rows }));
  });

  it('renews its lease while it lives', async () => {
    const store = await withOlderSnapshot();
    await using session = await (await open(store, { leaseTtlMs: 4000 })).beginWriting({ writer: 'worker-1' });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const object = await session.writeObject(describing('rows'), pieces(NEW.rows));
    expect(await session.commit('backup_new', snapshotFacts(), [object])).toMatchObject({ snapshot: 'backup_new' });
  });

  it('does not care for a wall clock that is set back by an hour', async () => {
    const store = await withOlderSnapshot();
    const clock = { ...SYSTEM_CLOCK, now: () => new Date(Date.now() - 60 * MINUTE) };
    const repository = await open(store, { clock });
    await backUp(repository, 'backup_new', NEW);
    expect((await repository.findSnapshot('latest')).snapshot).toBe('backup_new');
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('refuses to commit while objects still stream, and to write after its end or a cancellation', async () => {
    const store = await withOlderSnapshot();
    const controller = new AbortController();
    const session = await (await open(store)).beginWriting({ writer: 'worker-1', signal: controller.signal });
    const running = session.writeObject(describing('rows'), pieces(NEW.rows));
    await expect(session.commit('backup_new', snapshotFacts(), [])).rejects.toMatchObject({ code: 'conflict' });
    const object = await running;
    controller.abort();
    await expect(session.commit('backup_new', snapshotFacts(), [object])).rejects.toMatchObject({ code: 'cancelled' });
    await session[Symbol.asyncDispose]();
    await expect(session.writeObject(describing('rows'), pieces(NEW.rows))).rejects.toMatchObject({ code: 'conflict' });
    expect(store.names('leases/')).toEqual([]);
  });
});
