import { createHash, createHmac } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DEFAULT_CUT_SIZES } from './chunking/classes.js';
import { Cutter } from './chunking/cutter.js';
import { wasmWindows } from './chunking/gear-scan.js';
import { deriveKeys } from './keys/derivation.js';
import { openRepository } from './open-repository.js';
import { padmeLength } from './packs/padme.js';
import { decodePackTable, encodePackTable } from './packs/pack-table.js';
import { openSealedFile } from './sealed-files/sealed-file.js';
import type { Repository } from './repository.js';
import { collect, digests, noise, restore } from './testing/builders.js';
import { sealFrame } from './threads/jobs.js';
import { MemoryStore } from './testing/memory-store.js';

/** The vectors of docs/REPOSITORY_FORMAT.md: who changes one of them makes every repository out there unreadable. */
describe('format 1', () => {
  const sequence = (first: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => first + i));
  const keys = deriveKeys({ masterKey: sequence(0x00, 32), identitySecret: sequence(0x20, 32) });
  const repositoryId = sequence(0xa0, 16);

  it('derives these keys', () => {
    expect(keys.metadata.toString('hex')).toBe('264922d8959fecc7b11120778cfadfa5aaa7183ef97ef054f084d1476c77e943');
    expect(keys.packPrivate.toString('hex')).toBe('72e558943347b4a716720ef862e6711aa34809ebb3b247a47ea6c2b338538fa7');
    expect(keys.packPublic.toString('hex')).toBe('d14b02b2efc818572f3f2a9280ffabf13dd0300784ee4b6a3c3c139536602808');
    expect(keys.gearTable.readBigUInt64LE(0)).toBe(0xc4d507e99a3f72f9n);
    expect(keys.gearTable.readBigUInt64LE(255 * 8)).toBe(0x8c795e47bcbb6348n);
    expect(createHash('sha256').update(keys.gearTable).digest('hex')).toBe(
      'e1f68e2c775f362c199f4d2ad740b4aaebc0290cdca2d072d0fee0e36df22e65',
    );
  });

  it('names chunks so', () => {
    const id = (key: Buffer): string => createHmac('sha256', key).update('Rahat Backup').digest('hex');
    expect(id(keys.chunkId)).toBe('e59cc71c08ba8c2f7c7f90fa7767ffa4eec5f5372af2f6906bacf0833b606606');
    expect(id(keys.recipeChunkId)).toBe('2b1f4a7ba1c45c90ecb995f17e8beeeafbd7d06330f4d88e994b9993cccf72c5');
  });

  it('cuts rows here', () => {
    const cutter = new Cutter(DEFAULT_CUT_SIZES.rows, wasmWindows(keys.gearTable)(1_000_000));
    const data = noise(1_000_000, 1);
    expect(createHash('sha256').update(data).digest('hex')).toBe('1a23b7587595dbcf298d248fd6b52ee0ba4271705673f17662dc95b97289ab71');
    cutter.fill(data, 0);
    const lengths: number[] = [];
    for (let length; (length = cutter.next(true)) > 0;) lengths.push(length);
    expect(lengths).toEqual([74966, 65203, 77183, 77237, 42919, 44443, 80408, 103484, 83232, 68480, 83763, 86177, 90349, 22156]);
  });

  it('opens this sealed file, and not under another name', () => {
    const file = Buffer.from(
      '524854530103404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5fdfbf7ba4ac81fbab6c65cd0624d4b48f042275df1e39c563199799483444444f0dec71fd0d',
      'hex',
    );
    const identity = { repositoryId, type: 'manifest', name: 'snapshots/backup_1' } as const;
    expect(openSealedFile(keys.metadata, identity, file).toString()).toBe('{"format":1}');
    expect(() => openSealedFile(keys.metadata, { ...identity, name: 'snapshots/backup_2' }, file)).toThrow(/cannot be opened/);
  });

  it('seals a frame like this', () => {
    const { sealed, tag } = sealFrame(sequence(0x60, 32), repositoryId, 7, Buffer.from('Rahat Backup'));
    expect(Buffer.concat([sealed, tag]).toString('hex')).toBe('a0372663717bc8cd72367856a6f14a3dc49c4f0656e0896cad6f0c3a');
  });

  it('rounds lengths up like this', () => {
    expect([0, 1, 9, 100, 1000, 10_000, 1_000_000, 33_554_433].map(padmeLength)).toEqual([
      0, 1, 10, 104, 1024, 10_240, 1_015_808, 34_603_008,
    ]);
  });

  it('lays out a pack table in little-endian columns, and refuses one that contradicts itself', () => {
    const table = {
      frameOffsets: Uint32Array.of(105),
      storedLengths: Uint32Array.of(28),
      plainLengths: Uint32Array.of(12),
      chunkIds: sequence(1, 32),
      chunkFrames: Uint32Array.of(0),
      chunkOffsets: Uint32Array.of(0),
      chunkLengths: Uint32Array.of(12),
    };
    const hex = `0100000001000000690000001c0000000c000000${sequence(1, 32).toString('hex')}00000000000000000c000000`;
    expect(encodePackTable(table).toString('hex')).toBe(hex);
    expect(encodePackTable(decodePackTable(Buffer.from(hex, 'hex'), 'p'))).toEqual(Buffer.from(hex, 'hex'));
    const beyond = encodePackTable({ ...table, chunkLengths: Uint32Array.of(13) });
    expect(() => decodePackTable(beyond, 'p')).toThrow(/contradicts itself/);
  });

  it('stays readable: the golden repository opens and verifies', async () => {
    const repository = await golden('format-1');
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1, packs: 2, problems: [] });
    expect(digests(await restore(repository, 'backup_golden'))).toEqual(
      digests({
        pages: Buffer.concat(Array.from({ length: 70 }, (_, page) => Buffer.alloc(32 * 1024, `page ${page} `))),
        'rows/public/"or ders"': noise(100_000),
        ddl: Buffer.from('create table orders (id bigint);\n'),
        empty: Buffer.alloc(0),
      }),
    );
  });

  it('stays readable: the golden repository with a log, in pieces, merged, overlapping, of two timelines, and in the trash', async () => {
    const repository = await golden('format-1-logs');
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1, logs: 3, packs: 8, problems: [] });
    const logs = await Array.fromAsync(repository.logs({ stream: 'stream_golden' }), (listing) =>
      listing.ok ? listing.manifest : undefined,
    );
    expect(logs).toMatchObject([
      {
        commits: 4,
        range: {
          timeline: 1,
          start: '0/2000000',
          end: '0/2127690',
          firstCommitAt: '2026-11-24T03:00:00.000001Z',
          lastCommitAt: '2026-11-24T03:09:59.123456Z',
        },
      },
      { range: { timeline: 1, start: '0/2126308', end: '0/21312D0' } },
      { range: { timeline: 2, start: '0/212EBC0', end: '0/213D620' } },
    ]);
    const log = Buffer.concat([noise(20_000, 77), ...Array.from({ length: 170 }, (_, page) => Buffer.alloc(8192, `log page ${page} `))]);
    await using session = await repository.beginReading();
    for (const object of logs.flatMap((manifest) => manifest!.objects)) {
      const bytes = await collect(session.readObject(object));
      const [start, end] = ['start', 'end'].map((name) => Number.parseInt(String(object.meta?.[name]).slice(2), 16) - 0x2000000);
      const expected = object.kind === 'log' ? log.subarray(start, end) : Buffer.from('1\t0/212EBC0\tno recovery target specified\n');
      expect(bytes.equals(expected)).toBe(true);
    }
    expect(await Array.fromAsync(repository.logs({ trash: true }))).toMatchObject([
      { ok: true, manifest: { range: { end: '0/21339E0' } } },
    ]);
  });

  async function golden(name: string): Promise<Repository> {
    const root = join(import.meta.dirname, '../golden', name);
    const store = new MemoryStore();
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      store.files.set(relative(root, path).replaceAll('\\', '/'), { bytes: await readFile(path), modifiedAt: new Date() });
    }
    return openRepository(store, { type: 'passphrase', passphrase: 'golden şifre' });
  }
});
