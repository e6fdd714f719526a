import { describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { SYSTEM_CLOCK } from '../context.js';
import { newConfig, sealConfig } from '../descriptor/config.js';
import { formatDescriptor, parseDescriptor } from '../descriptor/descriptor.js';
import { deriveKeys } from '../keys/derivation.js';
import { openRepository } from '../open-repository.js';
import type { Repository } from '../repository.js';
import { backUp, collect, describing, digests, newRepository, noise, pieces, restore, snapshotFacts } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const A = noise(3_000_000, 1);
const B = noise(1_000_000, 2);
const C = noise(500_000, 3);

/** A repository whose storage and clocks go forward when the test says so. */
class Bench {
  readonly store = new MemoryStore();
  private offsetMs = 0;
  readonly clock = {
    ...SYSTEM_CLOCK,
    now: () => new Date(Date.now() + this.offsetMs),
    monotonicMs: () => performance.now() + this.offsetMs,
  };

  constructor() {
    this.store.now = () => this.clock.now();
  }

  static async withRepository(): Promise<{ bench: Bench; repository: Repository }> {
    const bench = new Bench();
    return { bench, repository: await newRepository(bench.store, { clock: bench.clock }) };
  }

  pass(ms: number): void {
    this.offsetMs += ms;
  }

  /** Retention takes the snapshot away for good, and the packs that only it needed get condemned. */
  async condemnPacksOf(repository: Repository, snapshot: string): Promise<void> {
    await repository.moveToTrash(snapshot);
    this.pass(8 * DAY);
    await repository.collect();
  }
}

const packs = (bench: Bench): string[] => bench.store.names('packs/');

describe('a collection', () => {
  it('frees what only a purged snapshot needed, a day after condemning it', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    await backUp(repository, 'backup_b', { b: B });
    expect(packs(bench)).toHaveLength(2);
    await repository.moveToTrash('backup_a');
    bench.pass(6 * DAY);
    expect(await repository.collect()).toMatchObject({ snapshots: 2, purgedSnapshots: [], condemned: { dead: { packs: 0 } } });
    bench.pass(2 * DAY);
    const condemning = await repository.collect();
    expect(condemning).toMatchObject({ purgedSnapshots: ['backup_a'], condemned: { dead: { packs: 1 } }, deleted: { packs: 0 } });
    expect(condemning.condemned.dead.bytes).toBeGreaterThan(A.length);
    expect(packs(bench)).toHaveLength(2);
    bench.pass(23 * HOUR);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 0 }, waiting: { packs: 1 } });
    bench.pass(2 * HOUR);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 1, bytes: condemning.condemned.dead.bytes } });
    expect(packs(bench)).toHaveLength(1);
    expect(bench.store.names('collections/')).toEqual([]);
    expect(bench.store.names('leases/')).toEqual([]);
    expect(digests(await restore(repository, 'backup_b'))).toEqual(digests({ b: B }));
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('reports by reason what it would free, and writes nothing on a dry run', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    await repository.moveToTrash('backup_a');
    bench.pass(8 * DAY);
    const before = [...bench.store.files.keys()];
    const dry = await repository.collect({ dryRun: true });
    expect([...bench.store.files.keys()]).toEqual(before);
    expect(await repository.collect()).toEqual({ ...dry, dryRun: false });
    expect(dry.condemned.dead.packs).toBe(1);
  });

  it('waits for a session that began before the condemnation, and rescues what it committed', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    await repository.moveToTrash('backup_a');
    bench.pass(8 * DAY);
    const secrets = repository.exportSecrets();
    const patient = await openRepository(bench.store, { type: 'secrets', ...secrets }, { clock: bench.clock, leaseTtlMs: DAY });
    await using session = await patient.beginWriting({ writer: 'worker-7' });
    const object = await session.writeObject(describing('a'), pieces(A));
    expect(session.progress().addedBytes).toBe(0);
    expect(await repository.collect({ graceMs: HOUR })).toMatchObject({ condemned: { dead: { packs: 1 } } });
    bench.pass(2 * HOUR);
    expect(await repository.collect({ graceMs: HOUR })).toMatchObject({
      deleted: { packs: 0 },
      waiting: { packs: 1 },
      waitingFor: ['writer worker-7'],
    });
    await session.commit('backup_again', snapshotFacts(), [object]);
    await session[Symbol.asyncDispose]();
    // It counts on the condemned pack: the index names no other home yet.
    const reader = await repository.beginReading();
    expect(await repository.collect({ graceMs: HOUR })).toMatchObject({ deleted: { packs: 0 }, rescued: { packs: 1 } });
    expect(digests(await restore(repository, 'backup_again'))).toEqual(digests({ a: A }));
    // It stays condemned; what it holds has been copied, so that the next collection is rid of it, when nobody is left who began before.
    expect(bench.store.names('collections/')).toHaveLength(1);
    bench.pass(1000);
    const waiting = { deleted: { packs: 0 }, rescued: { packs: 0 }, waiting: { packs: 1 }, waitingFor: ['reader reader'] };
    expect(await repository.collect({ graceMs: HOUR })).toMatchObject(waiting);
    expect((await collect(reader.readObject(object))).equals(A)).toBe(true);
    await reader[Symbol.asyncDispose]();
    expect(await repository.collect({ graceMs: HOUR })).toMatchObject({ deleted: { packs: 1 }, rescued: { packs: 0 } });
    expect(bench.store.names('collections/')).toEqual([]);
    expect(digests(await restore(repository, 'backup_again'))).toEqual(digests({ a: A }));
  });

  it('lets new backups store anew what is condemned', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    await bench.condemnPacksOf(repository, 'backup_a');
    expect((await backUp(repository, 'backup_new', { a: A })).addedBytes).toBeGreaterThan(A.length);
    bench.pass(25 * HOUR);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 1 }, rescued: { packs: 0 } });
    expect(digests(await restore(repository, 'backup_new'))).toEqual(digests({ a: A }));
  });

  it('rewrites a pack of which less than half is needed', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_ab', { a: A, b: B });
    await backUp(repository, 'backup_b', { b: B });
    expect(packs(bench)).toHaveLength(1);
    await repository.moveToTrash('backup_ab');
    bench.pass(8 * DAY);
    const report = await repository.collect();
    expect(report.condemned.sparse).toMatchObject({ packs: 1, liveBytes: B.length });
    expect(report.copied).toMatchObject({ packs: 1 });
    expect(digests(await restore(repository, 'backup_b'))).toEqual(digests({ b: B }));
    bench.pass(25 * HOUR);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 1 }, rescued: { packs: 0 } });
    expect(digests(await restore(repository, 'backup_b'))).toEqual(digests({ b: B }));
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [], packs: 1 });
  });

  it('without the master key takes only packs that hold nothing live, and leaves sparse ones to a later call', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_ab', { a: A, b: B });
    await backUp(repository, 'backup_b', { b: B });
    await backUp(repository, 'backup_c', { c: C });
    for (const id of ['backup_ab', 'backup_c']) await repository.moveToTrash(id);
    bench.pass(8 * DAY);
    const worker = await openRepository(
      bench.store,
      { type: 'write-only', credential: repository.exportWriteOnlyCredential() },
      { clock: bench.clock },
    );
    const report = await worker.collect();
    expect(report).toMatchObject({ condemned: { dead: { packs: 1 }, sparse: { packs: 0 } }, copied: { packs: 0 }, unopened: { packs: 1 } });
    expect(report.unopened.bytes).toBeGreaterThan(A.length + B.length);
    expect(report.unopened.liveBytes).toBe(B.length);
    bench.pass(25 * HOUR);
    expect(await worker.collect()).toMatchObject({ deleted: { packs: 1 } });
    expect(await repository.collect()).toMatchObject({ condemned: { sparse: { packs: 1 } }, unopened: { packs: 0, bytes: 0 } });
    expect(digests(await restore(repository, 'backup_b'))).toEqual(digests({ b: B }));
  });

  it('merges many small packs and their index segments', async () => {
    const { bench, repository } = await Bench.withRepository();
    const objects = (n: number): Record<string, Buffer> => ({ rows: noise(20_000, 40 + n) });
    for (let n = 0; n < 9; n++) await backUp(repository, `backup_${n}`, objects(n));
    bench.pass(2 * DAY);
    expect(await repository.collect()).toMatchObject({ condemned: { small: { packs: 9 } }, copied: { packs: 1 } });
    bench.pass(2 * DAY);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 9 } });
    expect(packs(bench)).toHaveLength(1);
    expect(bench.store.names('index/').length).toBeLessThanOrEqual(2);
    for (let n = 0; n < 9; n++) expect(digests(await restore(repository, `backup_${n}`))).toEqual(digests(objects(n)));
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('takes packs into the index that no segment names, and frees those that nobody needs', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    await backUp(repository, 'backup_c', { c: C });
    for (const name of bench.store.names('index/')) bench.store.files.delete(name);
    await repository.moveToTrash('backup_c');
    bench.pass(8 * DAY);
    expect(await repository.collect()).toMatchObject({ adoptedPacks: 2, condemned: { dead: { packs: 1 } }, missingChunks: 0 });
    bench.pass(25 * HOUR);
    await repository.collect();
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [], packs: 1 });
    expect((await backUp(repository, 'backup_a2', { a: A })).addedBytes).toBe(0);
  });

  it('removes a pack that is cut off and belongs to nobody', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    const name = `packs/ab/ab${'0'.repeat(62)}`;
    bench.store.files.set(name, { bytes: Buffer.alloc(1000), modifiedAt: bench.clock.now() });
    bench.pass(2 * DAY);
    expect(await repository.collect()).toMatchObject({ condemned: { unreadable: { packs: 1, bytes: 1000 } } });
    bench.pass(2 * DAY);
    await repository.collect();
    expect(packs(bench)).not.toContain(name);
    expect(packs(bench)).toHaveLength(1);
  });

  it('deletes nothing when it cannot read what a snapshot needs', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: A });
    await backUp(repository, 'backup_b', { b: B });
    await bench.condemnPacksOf(repository, 'backup_a');
    bench.store.files.get('snapshots/backup_b')!.bytes[60]! ^= 1;
    bench.pass(2 * DAY);
    const before = [...bench.store.files.keys()];
    await expect(repository.collect()).rejects.toMatchObject({ code: 'repository_damaged', message: expect.stringContaining('backup_b') });
    expect([...bench.store.files.keys()]).toEqual(before);
  });

  it('refuses a repository with an optional feature that it does not know, which can still be read', async () => {
    const { bench, repository } = await Bench.withRepository();
    await backUp(repository, 'backup_a', { a: C });
    const secrets = repository.exportSecrets();
    const keys = deriveKeys(secrets);
    const text = bench.store.files.get('rahat.json')!.bytes.toString();
    const featured = formatDescriptor({ ...parseDescriptor(text), optionalFeatures: ['erasure-codes'] });
    const id = Buffer.from(repository.id, 'hex');
    await bench.store.put('rahat.json', Buffer.from(featured));
    await bench.store.put('config', sealConfig(keys.metadata, id, newConfig(featured, keys.packPublic)));
    const opened = await openRepository(bench.store, { type: 'secrets', ...secrets }, { clock: bench.clock });
    expect(digests(await restore(opened, 'backup_a'))).toEqual(digests({ a: C }));
    await expect(opened.collect({ dryRun: true })).rejects.toMatchObject({ code: 'repository_unsupported' });
  });

  it('keeps a margin of a day where the storage has no clock', async () => {
    const { bench, repository } = await Bench.withRepository();
    bench.store.capabilities.serverTime = false;
    await backUp(repository, 'backup_a', { a: C });
    await repository.moveToTrash('backup_a');
    bench.pass(9 * DAY);
    expect(await repository.collect()).toMatchObject({ condemned: { dead: { packs: 1 } } });
    bench.pass(47 * HOUR);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 0 } });
    bench.pass(2 * HOUR);
    expect(await repository.collect()).toMatchObject({ deleted: { packs: 1 } });
  });

  it('refuses a grace under two lives of a lease', async () => {
    const { repository } = await Bench.withRepository();
    await expect(repository.collect({ graceMs: HOUR - 1 })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('removes expired leases', async () => {
    const { bench, repository } = await Bench.withRepository();
    const session = await repository.beginWriting({ writer: 'worker-1' });
    bench.pass(29 * 60_000);
    expect(await repository.collect()).toMatchObject({ expiredLeases: 0 });
    bench.pass(2 * 60_000);
    expect(await repository.collect()).toMatchObject({ expiredLeases: 1 });
    expect(bench.store.names('leases/')).toEqual([]);
    await session[Symbol.asyncDispose]();
  });

  it('may fail at any call of the storage: nothing is lost, and the next one carries on', async () => {
    const scenario = async (failing: number): Promise<number> => {
      const { bench, repository } = await Bench.withRepository();
      const c = noise(40_000, 5);
      await backUp(repository, 'backup_bc', { b: noise(120_000, 4), c });
      await backUp(repository, 'backup_c', { c });
      await backUp(repository, 'backup_x', { x: noise(90_000, 9) });
      for (const id of ['backup_bc', 'backup_x']) await repository.moveToTrash(id);
      let calls = 0;
      const faulty = (operation: string, name: string): void => {
        if (++calls === failing) throw new RahatError('storage_unreachable', `${operation} ${name} failed`);
      };
      for (let round = 0; round < 4; round++) {
        bench.pass(8 * DAY);
        bench.store.onCall = faulty;
        await repository.collect().catch((error: unknown) => expect(error).toMatchObject({ code: 'storage_unreachable' }));
        bench.store.onCall = () => undefined;
        expect(digests(await restore(repository, 'backup_c'))).toEqual(digests({ c }));
      }
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [], packs: 1 });
      expect(bench.store.names('collections/')).toEqual([]);
      return calls;
    };
    const calls = await scenario(Infinity);
    expect(calls).toBeGreaterThan(60);
    for (let n = 1; n <= calls; n++) await scenario(n);
  }, 120_000);
});
