import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { WriteOnlyCredential } from '@rahat/contracts';
import { newConfig, sealConfig } from '../descriptor/config.js';
import { openRepository } from '../open-repository.js';
import { decodePackHeader, PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import type { Repository, WritableRepository } from '../repository.js';
import { backUp, describing, digests, newRepository, noise, pieces, restore, snapshotFacts } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { deriveKeys } from './derivation.js';
import { unwrapPackKey } from './pack-keys.js';
import { parseWriteOnlyCredential, writeOnlyKeys } from './write-only.js';

/** More than 64 chunks: a recipe of its own in a metadata pack. */
const CONTENT = { rows: noise(6_000_000), ddl: Buffer.from('create table t ()') };

let store: MemoryStore;
let owner: Repository;
let credential: WriteOnlyCredential;
let writer: WritableRepository;

beforeEach(async () => {
  store = new MemoryStore();
  owner = await newRepository(store);
  await backUp(owner, 'backup_1', CONTENT);
  credential = parseWriteOnlyCredential(JSON.stringify(owner.exportWriteOnlyCredential()));
  writer = await openRepository(store, { type: 'write-only', credential });
});

async function write(repository: WritableRepository, id: string, rows: Buffer): Promise<number> {
  await using session = await repository.beginWriting({ writer: 'worker-2' });
  const { addedBytes } = await session.commit(id, snapshotFacts(), [await session.writeObject(describing('rows'), pieces(rows))]);
  return addedBytes;
}

function dataPacks(): Buffer[] {
  const headers = store.names('packs/').map((name) => store.files.get(name)!.bytes.subarray(0, PACK_HEADER_BYTES));
  return headers.filter((header) => header[8] === 1);
}

describe('a write-only credential', () => {
  it('writes backups that the owner restores, deduplicated against those of others, and checks what it wrote', async () => {
    expect(await write(writer, 'backup_2', CONTENT.rows)).toBe(0);
    const changed = Buffer.concat([CONTENT.rows, noise(300_000, 9)]);
    expect(await write(writer, 'backup_3', changed)).toBeLessThan(1_000_000);
    expect((await writer.findSnapshot('latest')).snapshot).toBe('backup_3');
    for (const level of ['structure', 'read-data'] as const) {
      expect(await writer.check({ level, snapshots: ['backup_3'] })).toMatchObject({ healthy: true, problems: [] });
    }
    expect(digests(await restore(owner, 'backup_3'))).toEqual(digests({ rows: changed }));
  });

  it('finds a pack that the storage lost', async () => {
    await write(writer, 'backup_2', noise(2_000_000, 3));
    for (const name of store.names('packs/')) store.files.delete(name);
    expect(await writer.check({ level: 'structure', snapshots: ['backup_2'] })).toMatchObject({ healthy: false });
  });

  it('finds a flipped byte of a pack that it cannot open, and names what may be affected', async () => {
    await write(writer, 'backup_2', noise(2_000_000, 3));
    const name = store.names('packs/').find((name) => store.files.get(name)!.bytes[8] === 1 && store.files.get(name)!.bytes.length < 3e6)!;
    store.files.get(name)!.bytes[5_000]! ^= 1;
    const report = await writer.check({ level: 'read-data', snapshots: ['backup_2'] });
    expect(report).toMatchObject({ healthy: false, problems: [{ file: name, affects: [{ snapshot: 'backup_2', objects: ['rows'] }] }] });
  });

  it('opens no data that another or an earlier session stored, with no key that it holds', async () => {
    await write(writer, 'backup_2', noise(300_000, 4));
    const repositoryId = Buffer.from(owner.id, 'hex');
    const keys = writeOnlyKeys(credential);
    expect(Object.keys(keys).sort()).toEqual(['chunkId', 'gearTable', 'metadata', 'packPublic', 'recipeChunkId']);
    const guesses = [...Object.values(keys), Buffer.from(credential.identitySecret, 'base64')].filter(({ length }) => length === 32);
    const packs = dataPacks();
    expect(packs).toHaveLength(2);
    for (const header of packs) {
      const { wrappedKey } = decodePackHeader(header, 'p', repositoryId);
      await expect(unwrapPackKey(keys, repositoryId, 'data', wrappedKey)).rejects.toMatchObject({ code: 'master_key_needed' });
      for (const packPrivate of guesses) {
        await expect(unwrapPackKey({ ...keys, packPrivate }, repositoryId, 'data', wrappedKey)).rejects.toMatchObject({
          code: 'repository_damaged',
        });
      }
      // Taken for a recipe's pack it doesn't open either; the owner's key does.
      await expect(unwrapPackKey(keys, repositoryId, 'metadata', wrappedKey)).rejects.toMatchObject({ code: 'repository_damaged' });
      expect(await unwrapPackKey(deriveKeys(owner.exportSecrets()), repositoryId, 'data', wrappedKey)).toHaveLength(32);
    }
  });

  it('says that a deep check needs more, and has no way to read or to hand out keys', async () => {
    await expect((writer as Repository).check({ level: 'deep' })).rejects.toMatchObject({ code: 'master_key_needed' });
    for (const power of ['beginReading', 'exportSecrets', 'exportWriteOnlyCredential', 'keys']) expect(power in writer).toBe(false);
  });

  it('does not write for a key that another writer planted in the configuration', async () => {
    const own = generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    const descriptor = store.files.get('rahat.json')!.bytes.toString();
    const planted = sealConfig(writeOnlyKeys(credential).metadata, Buffer.from(owner.id, 'hex'), newConfig(descriptor, own));
    store.files.set('config', { bytes: planted, modifiedAt: new Date() });
    await expect(openRepository(store, { type: 'write-only', credential })).rejects.toMatchObject({ code: 'repository_damaged' });
    await expect(openRepository(store, { type: 'secrets', ...owner.exportSecrets() })).rejects.toMatchObject({
      code: 'repository_damaged',
    });
  });

  it('opens its own repository only, and is refused without being quoted when it is not whole', async () => {
    const other = await newRepository(new MemoryStore());
    const foreign = other.exportWriteOnlyCredential();
    await expect(openRepository(store, { type: 'write-only', credential: foreign })).rejects.toMatchObject({
      code: 'repository_wrong_key',
    });
    const renamed = { ...foreign, repository: owner.id };
    await expect(openRepository(store, { type: 'write-only', credential: renamed })).rejects.toMatchObject({ code: 'repository_damaged' });
    for (const text of ['{', '{}', JSON.stringify({ ...credential, metadataKey: 'c2hvcnQ=' })]) {
      expect(() => parseWriteOnlyCredential(text)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
      expect(() => parseWriteOnlyCredential(text)).not.toThrow(/metadataKey|c2hv|JSON at/);
    }
  });
});
