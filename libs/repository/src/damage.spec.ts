import { beforeAll, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { sealFile } from './sealed-files/sealed-file.js';
import { deriveKeys } from './keys/derivation.js';
import { openRepository } from './open-repository.js';
import type { CheckReport, Repository } from './repository.js';
import {
  backUp,
  collect,
  describing,
  digests,
  newRepository,
  noise,
  PASSPHRASE,
  pieces,
  readAll,
  restore,
  snapshotFacts,
} from './testing/builders.js';
import { MemoryStore } from './testing/memory-store.js';

/** Distinct pages that compress well: a recipe of its own in a metadata pack, in little storage. */
const PAGES = Buffer.concat(Array.from({ length: 70 }, (_, page) => Buffer.alloc(32 * 1024, `page ${page} `)));
const CONTENT = { pages: PAGES, ddl: Buffer.from('create table orders (id bigint)'), rows: noise(5_000) };
const EXPECTED = digests(CONTENT);

async function example(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await writeContent(await newRepository(store), 'backup_1');
  return store;
}

async function writeContent(repository: Repository, id: string): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'worker-1' });
  const objects = [
    await session.writeObject(describing('pages', { class: 'pages' }), pieces(CONTENT.pages)),
    await session.writeObject(describing('ddl'), pieces(CONTENT.ddl)),
    await session.writeObject(describing('rows'), pieces(CONTENT.rows)),
  ];
  await session.commit(id, snapshotFacts(), objects);
}

function withFile(store: MemoryStore, name: string, change: (bytes: Buffer) => Buffer | undefined): MemoryStore {
  const copy = new MemoryStore();
  for (const [other, file] of store.files) copy.files.set(other, file);
  const changed = change(Buffer.from(store.files.get(name)!.bytes));
  if (changed) copy.files.set(name, { ...store.files.get(name)!, bytes: changed });
  else copy.files.delete(name);
  return copy;
}

const open = (store: MemoryStore): Promise<Repository> => openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });

/** Either the damage is told of, or the bytes are the right ones. */
async function restoresNothingWrong(repository: Repository): Promise<void> {
  const restored = await restore(repository, 'backup_1').catch((error: unknown) => error);
  if (restored instanceof RahatError) expect(restored.code).toMatch(/^repository_|blob_not_found/);
  else expect(digests(restored as Record<string, Buffer>)).toEqual(EXPECTED);
}

describe('a damaged repository', () => {
  let store: MemoryStore;
  beforeAll(async () => {
    store = await example();
  });
  const named = (prefix: string, number = 0): string => store.names(prefix)[number]!;

  const MAX_POSITIONS = 60;
  it.each([
    ['descriptor', () => 'rahat.json'],
    ['keyslot', () => named('keys/')],
    ['configuration', () => 'config'],
    ['index segment', () => named('index/')],
    ['manifest', () => named('snapshots/')],
    ['first pack', () => named('packs/', 0)],
    ['second pack', () => named('packs/', 1)],
  ])('shows any flipped byte of the %s, and never restores it silently', async (_, name) => {
    const length = store.files.get(name())!.bytes.length;
    const step = Math.max(1, length / MAX_POSITIONS);
    for (let at = 0; at < length; at += step) {
      const position = Math.floor(at);
      const damaged = withFile(store, name(), (bytes) => {
        bytes[position]! ^= 1 << (position % 8);
        return bytes;
      });
      const repository = await open(damaged).catch((error: RahatError) => error);
      if (repository instanceof Error) {
        expect(repository.code).toMatch(/^repository_(damaged|unsupported)$/);
        continue;
      }
      expect({ position, healthy: (await repository.check({ level: 'deep' })).healthy }).toEqual({ position, healthy: false });
      await restoresNothingWrong(repository);
    }
  });

  it.each(['structure', 'read-data', 'deep'] as const)(
    'tells at level %s which objects a cut-off or missing pack affects',
    async (level) => {
      for (const change of [(bytes: Buffer) => bytes.subarray(0, 150), () => undefined]) {
        for (const pack of store.names('packs/')) {
          const repository = await open(withFile(store, pack, change));
          const report: CheckReport = await repository.check({ level });
          expect(report.healthy).toBe(false);
          const affected = report.problems.filter(({ severity }) => severity === 'damage').flatMap(({ affects }) => affects);
          expect(affected[0]).toMatchObject({ snapshot: 'backup_1' });
          expect(affected.flatMap(({ objects }) => objects)).toContain('pages');
          await expect(restore(repository, 'backup_1')).rejects.toBeInstanceOf(RahatError);
        }
      }
    },
  );

  it('heals a missing pack by the next backup of the same data', async () => {
    for (const pack of store.names('packs/')) {
      const damaged = withFile(store, pack, () => undefined);
      const repository = await open(damaged);
      await writeContent(repository, 'backup_2');
      for (const id of ['backup_1', 'backup_2']) expect(digests(await restore(repository, id))).toEqual(EXPECTED);
      expect(await repository.check({ level: 'deep', snapshots: ['backup_2'] })).toMatchObject({ healthy: true });
    }
  });

  it('still restores when index segments are lost or damaged, because packs tell what they hold', async () => {
    for (const change of [() => undefined, (bytes: Buffer) => bytes.fill(0, 50, 60)]) {
      const repository = await open(withFile(store, named('index/'), change));
      expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);
      expect((await repository.check({ level: 'structure' })).healthy).toBe(false);
      await backUp(repository, 'backup_2', CONTENT);
    }
  });

  it('yields a damaged manifest as its error, beside the others', async () => {
    const damaged = withFile(store, 'snapshots/backup_1', (bytes) => bytes.fill(1, 60, 61));
    const repository = await open(damaged);
    await expect(repository.findSnapshot('latest')).rejects.toMatchObject({ code: 'repository_damaged' });
    await backUp(repository, 'backup_2', CONTENT);
    const listed = [];
    for await (const listing of repository.snapshots()) listed.push([listing.id, listing.ok]);
    expect(listed).toEqual(
      expect.arrayContaining([
        ['backup_1', false],
        ['backup_2', true],
      ]),
    );
    await expect(repository.findSnapshot('backup_1')).rejects.toMatchObject({ code: 'repository_damaged' });
    expect((await repository.findSnapshot('latest')).snapshot).toBe('backup_2');
    expect(await repository.check({ level: 'structure', snapshots: ['backup_2'] })).toMatchObject({ healthy: true, snapshots: 1 });
    expect(await repository.check({ level: 'structure', snapshots: ['backup_1'] })).toMatchObject({ healthy: false });
  });

  it('refuses files that were swapped, renamed or brought from elsewhere', async () => {
    const other = await example();
    const moved = withFile(store, 'snapshots/backup_1', () => undefined);
    moved.files.set('snapshots/backup_9', store.files.get('snapshots/backup_1')!);
    await expect((await open(moved)).findSnapshot('backup_9')).rejects.toMatchObject({ code: 'repository_damaged' });
    const foreign = withFile(store, 'snapshots/backup_1', () => other.files.get('snapshots/backup_1')!.bytes);
    await expect((await open(foreign)).findSnapshot('backup_1')).rejects.toMatchObject({ code: 'repository_damaged' });
    const swapped = withFile(store, 'config', () => other.files.get('config')!.bytes);
    await expect(open(swapped)).rejects.toMatchObject({ code: 'repository_damaged' });
  });

  it('tells apart nothing there, a newer format and a wrong passphrase, and writes in none of these cases', async () => {
    await expect(open(new MemoryStore())).rejects.toMatchObject({ code: 'repository_not_found' });
    const newer = withFile(store, 'rahat.json', (bytes) =>
      Buffer.from(bytes.toString().replace('"requiredFeatures": []', '"requiredFeatures": ["quantum"]')),
    );
    await expect(open(newer)).rejects.toMatchObject({ code: 'repository_unsupported', message: expect.stringContaining('quantum') });

    store.calls = [];
    await expect(openRepository(store, { type: 'passphrase', passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'repository_wrong_passphrase',
    });
    await expect(newRepository(store)).rejects.toMatchObject({ code: 'repository_exists' });
    await expect(newRepository(withFile(store, 'rahat.json', () => undefined))).rejects.toMatchObject({ code: 'repository_exists' });
    expect(store.calls.filter((call) => /^(put|remove)/.test(call))).toEqual([]);
  });

  it('refuses a manifest that is authentic but does not fit the schema', async () => {
    const { masterKey, identitySecret } = (await open(store)).exportSecrets();
    const { metadata } = deriveKeys({ masterKey, identitySecret });
    const identity = { repositoryId: Buffer.from((await open(store)).id, 'hex'), type: 'manifest', name: 'snapshots/backup_1' } as const;
    const odd = withFile(store, 'snapshots/backup_1', () =>
      sealFile(metadata, identity, Buffer.from('{"format":1,"snapshot":"backup_1"}')),
    );
    await expect((await open(odd)).findSnapshot('backup_1')).rejects.toMatchObject({ code: 'repository_damaged' });
  });

  it('lets a cancelled reader and checker stop at once', async () => {
    const repository = await open(store);
    const manifest = await repository.findSnapshot('backup_1');
    await using reader = await repository.beginReading({ signal: AbortSignal.abort() }).catch(() => repository.beginReading());
    await expect(collect(reader.readObject(manifest.objects[0]!, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'cancelled',
    });
    await expect(repository.check({ level: 'deep', signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    expect(Object.keys(await readAll(reader, manifest))).toHaveLength(3);
  });
});
