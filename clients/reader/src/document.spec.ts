import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createCipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LocalStore } from '@rahat/blob-store-local';
import { createRepository, openRepository } from '@rahat/repository';
import { argon2Key } from './format/argon2.js';
import { openKeyslot } from './format/keyslot.js';
import { deriveRecipientKey } from './format/hpke.js';
import { parseIndexSegment } from './format/index-segment.js';
import { openFrame } from './format/pack.js';
import { PackTable } from './format/pack-table.js';
import { openPackKey, openSealed, SEALED } from './format/sealed-file.js';
import { hkdf, hmac } from './format/sealing.js';
import { ReaderProcess } from './testing/reader-process.js';
import { FACTS } from './testing/snapshot-facts.js';

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../../docs/REPOSITORY_FORMAT.md'), 'utf8');
const VECTORS = DOCUMENT.slice(DOCUMENT.indexOf('\n## 12. Vectors'));

const M = range(0x00, 32);
const I = range(0x20, 32);
const R = range(0xa0, 16);
const metadata = { key: derived(M, 'rahat/1/metadata'), repositoryId: R };

function range(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => from + index));
}

function derived(secret: Buffer, info: string, bytes = 32): Buffer {
  return hkdf(secret, Buffer.alloc(0), info, bytes);
}

/** §5 in its own words; a reader has no use for it. */
function cut(bytes: Buffer, gear: bigint[]): number[] {
  const [min, average, max] = [16_384, 65_536, 262_144];
  const b = Math.floor(Math.log2(average));
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length; start += lengths.at(-1)!) {
    const n = bytes.length - start;
    const end = Math.min(n, max);
    let length = n <= min ? n : end;
    let h = 0n;
    for (let i = min; n > min && i < end; i++) {
      h = (h * 2n + gear[bytes[start + i]!]!) % 2n ** 64n;
      if (h >> BigInt(64 - (i < Math.min(average, end) ? b + 2 : b - 2)) !== 0n) continue;
      length = i + 1;
      break;
    }
    lengths.push(length);
  }
  return lengths;
}

/** §7 in its own words. */
function padme(length: number): number {
  const E = Math.floor(Math.log2(length));
  const S = Math.floor(Math.log2(E)) + 1;
  const unit = 2 ** Math.max(E - S, 0);
  return Math.ceil(length / unit) * unit;
}

function madeBytes(): Buffer {
  const key = Buffer.concat([Buffer.from('01000000', 'hex'), Buffer.alloc(12, 1)]);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(1_000_000));
}

const gearTable = () => derived(I, 'rahat/1/gear', 2048);
const gear = () => Array.from({ length: 256 }, (_, index) => gearTable().readBigUInt64LE(index * 8));
const hex = (bytes: Buffer) => bytes.toString('hex');
const bytesOf = (value: string) => Buffer.from(value, 'hex');

/** Each takes the value out of the document and gives what should be equal. */
const CHECKS: Record<string, (value: string) => [found: unknown, expected: unknown]> = {
  'metadata key': (value) => [value, hex(metadata.key)],
  'pack private key': (value) => [value, hex(derived(M, 'rahat/1/pack-private'))],
  'pack public key': (value) => [value, hex(deriveRecipientKey(M).publicKey)],
  'gear[0], gear[255]': (value) => [value.split('`, `'), [gear()[0]!, gear()[255]!].map((word) => `0x${word.toString(16)}`)],
  'SHA-256 of the gear table': (value) => [value, createHash('sha256').update(gearTable()).digest('hex')],
  'chunk id of `Rahat Backup`': (value) => [value, hex(hmac(derived(I, 'rahat/1/chunk-id'), Buffer.from('Rahat Backup')))],
  'recipe chunk id of `Rahat Backup`': (value) => [value, hex(hmac(derived(I, 'rahat/1/recipe-chunk-id'), Buffer.from('Rahat Backup')))],
  'chunks (`rows`) of 1,000,000 bytes of AES-128-CTR, key `01000000` + 12 × `01`, counter 0': (value) => [
    value.split(', ').map(Number),
    cut(madeBytes(), gear()),
  ],
  'frame 7, pack key 60 61 … 7f, body `Rahat Backup`': (value) => [
    openFrame(bytesOf(value), range(0x60, 32), R, { frame: 7, plainBytes: 12 }).toString(),
    'Rahat Backup',
  ],
  'Padmé of 9, 100, 1000, 10,000, 1,000,000, 33,554,433': (value) => [
    value.split(', ').map((number) => Number(number.replaceAll(',', ''))),
    [9, 100, 1000, 10_000, 1_000_000, 33_554_433].map(padme),
  ],
  'pack table: one frame (105, 28, 12), one chunk (id 01 02 … 20, 0, 0, 12)': (value) => {
    const table = new PackTable(bytesOf(value.replace('` + id + `', hex(range(1, 32)))), 1000);
    return [
      [table.frame(0), table.chunk(0), table.chunkId(0)],
      [{ offset: 105, storedBytes: 28, plainBytes: 12 }, { frame: 0, offset: 0, length: 12 }, range(1, 32)],
    ];
  },
  'Argon2id key of `vektör`, salt d0 d1 … df, 64 KiB, 1 pass, 1 lane': (value) => [
    value,
    hex(argon2Key(Buffer.from('vektör'), { memoryKib: 64, passes: 1, parallelism: 1, salt: range(0xd0, 16) })),
  ],
  'wrapped key of a data pack: pack key 60 61 … 7f, ephemeral private key 11 12 … 30': (value) => [
    deriveRecipientKey(M).open(Buffer.concat([Buffer.from('rahat/1/pack'), R]), bytesOf(value)),
    range(0x60, 32),
  ],
  'wrapped key of a metadata pack: pack key 80 81 … 9f, salt 31 32 … 50': (value) => [
    openPackKey(bytesOf(value), metadata),
    range(0x80, 32),
  ],
  'row of a stored recipe: 32,768 zero bytes': (value) => [
    value,
    `${hex(hmac(derived(I, 'rahat/1/chunk-id'), Buffer.alloc(32_768)))}00800000`,
  ],
  'index segment, writer `vector`, of the two packs below': (value) => {
    const { writer, replaces, packs } = parseIndexSegment(bytesOf(value));
    const named = [...files().keys()].filter((name) => name.startsWith('packs/')).map((name) => name.slice('packs/xx/'.length));
    return [
      [writer, replaces, packs.map(({ sha256, kind }) => [sha256, kind])],
      [
        'vector',
        [],
        [
          [named[0], 'data'],
          [named[1], 'metadata'],
        ],
      ],
    ];
  },
};

function vectorTable(): [string, string][] {
  const [, , ...rows] = VECTORS.slice(0, VECTORS.indexOf('\nSealed file of type 3')).match(/^\|.*\|$/gm) ?? [];
  return rows.map((row) => {
    const [what = '', value = ''] = row
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim());
    return [what, value.replace(/^`|`$/g, '')];
  });
}

/** The repository that stands in the document, file by file. */
function files(): Map<string, Buffer> {
  const blocks = VECTORS.matchAll(/^```(text|hex) (\S+)\n([\s\S]*?)\n```$/gm);
  return new Map(
    [...blocks].map(([, kind, name = '', body = '']) => {
      const ending = name === 'rahat.json' ? '\n' : '';
      return [name, kind === 'hex' ? bytesOf(body.replaceAll('\n', '')) : Buffer.from(body + ending)];
    }),
  );
}

describe('docs/REPOSITORY_FORMAT.md', () => {
  it('has a check for each of its vectors, and a vector for each check', () => {
    expect(
      vectorTable()
        .map(([what]) => what)
        .sort(),
    ).toEqual(Object.keys(CHECKS).sort());
  });

  it.each(vectorTable())('is right about %s', (what, value) => {
    const [found, expected] = CHECKS[what]!(value);
    expect(found).toEqual(expected);
  });

  it('is right about its sealed file', () => {
    const [, sealed = ''] = /^Sealed file of type 3, .*\n`([0-9a-f]+)`$/m.exec(VECTORS) ?? [];
    expect(openSealed(bytesOf(sealed), SEALED.manifest, 'snapshots/backup_1', metadata).toString()).toBe('{"format":1}');
  });
});

describe('the keyslot of shares in docs/REPOSITORY_FORMAT.md', () => {
  const [, first = '', second = '', slot = ''] = /in 2 of 3 shares, `([^`]+)` and\n`([^`]+)`:\n`([^`]+)`/.exec(VECTORS) ?? [];
  const open = (...shares: string[]) => openKeyslot('b1'.repeat(16), Buffer.from(slot), R, shares);

  it.each([
    ['in their order', [first, second]],
    ['in another order', [second, first]],
    ['with one given twice', [first, second, first]],
    ['with a stranger among them', ['not a share', first, second]],
  ])('opens by its two shares %s', (_how, shares) => {
    expect(open(...shares)).toEqual({ outcome: 'opened', secrets: { masterKey: M, identitySecret: I } });
  });

  it.each([
    ['one', [first], '2 different shares are needed, 1 were given'],
    ['one, twice', [first, first], '1 were given'],
    ['one and a mistyped one', [first, second.replace('BXCP', 'BXCQ')], 'share 2: group 2 has a typing error'],
    ['nothing but the passphrase', ['vektör'], '0 were given; share 1: it does not have 10 groups'],
  ])('does not open by %s, and says why without a word of what was typed', (_what, shares, reason) => {
    expect(open(...shares)).toEqual({ outcome: 'wrongSecret', reason: expect.stringContaining(reason) });
  });
});

describe('the repository in docs/REPOSITORY_FORMAT.md', () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rahat-reader-document-'));
    path = join(folder, 'repository');
    for (const [name, bytes] of files()) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), bytes);
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is read by rahat-reader to the last byte', async () => {
    await using reader = await ReaderProcess.bundle();
    const check = await reader.run(['check', path, '--data', '--json'], { passphrase: 'vektör' });
    expect(JSON.parse(check.stdout.toString())).toMatchObject({
      healthy: true,
      snapshots: 1,
      logs: 1,
      packs: 2,
      chunks: 3,
      readBytes: 688,
    });
    const to = join(folder, 'restored');
    expect(await reader.run(['restore', path, 'backup_1', '--to', to], { passphrase: 'vektör' })).toMatchObject({ exitCode: 0 });
    expect((await readdir(join(to, 'objects'))).sort()).toEqual(['000001-hello', '000002-zeros']);
    expect(await readFile(join(to, 'objects/000001-hello'), 'utf8')).toBe('Rahat Backup');
    expect((await readFile(join(to, 'objects/000002-zeros'))).equals(Buffer.alloc(65 * 32_768))).toBe(true);
    const wal = join(folder, 'wal');
    expect(await reader.run(['wal', path, 'stream_1', '--to', wal], { passphrase: 'vektör' })).toMatchObject({ exitCode: 0 });
    expect(await readdir(wal)).toEqual(['000000010000000000000002']);
    const segment = Buffer.concat([Buffer.from('Rahat Backup')], 16 * 1024 * 1024);
    expect((await readFile(join(wal, '000000010000000000000002'))).equals(segment)).toBe(true);
  });

  it('is read by the engine to the last byte', async () => {
    const store = new LocalStore({ driver: 'local', path: folder }, 'repository');
    const repository = await openRepository(store, { type: 'passphrase', passphrase: 'vektör' });
    expect(repository.exportSecrets()).toEqual({ masterKey: M, identitySecret: I });
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1, logs: 1, packs: 2, chunks: 3 });
    const [log] = await Array.fromAsync(repository.logs({ stream: 'stream_1', from: '00000001-0000000002000001' }));
    expect(log).toMatchObject({ ok: true, manifest: { writer: 'vector', range: { timeline: 1, start: '0/2000000', end: '0/200000C' } } });
    const { objects } = await repository.findSnapshot('backup_1');
    await using session = await repository.beginReading();
    const read = [];
    for (const object of objects)
      read.push(Buffer.concat(await Array.fromAsync(session.readObject(object), (bytes) => Buffer.from(bytes))));
    expect(read.map((bytes) => bytes.length)).toEqual([12, 65 * 32_768]);
    expect(read[0]!.toString()).toBe('Rahat Backup');
    expect(read[1]!.equals(Buffer.alloc(65 * 32_768))).toBe(true);
  });
});

describe('the engine as a writer of what the document says', () => {
  it('cuts as §5 and pads as §7', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rahat-reader-writer-'));
    const store = new LocalStore({ driver: 'local', path: folder }, 'main');
    const repository = await createRepository(store, { passphrase: 'x', identitySecret: I });
    await using session = await repository.beginWriting({ writer: 'spec' });
    const body = (async function* () {
      yield madeBytes();
    })();
    const { recipe } = await session.writeObject({ key: 'made', kind: 'rows', order: 0, class: 'rows' }, body, () => ({}));
    const [, value = ''] = vectorTable().find(([what]) => what.startsWith('chunks (`rows`)'))!;
    expect('chunks' in recipe && recipe.chunks.map(([, length]) => length)).toEqual(value.split(', ').map(Number));
    await session.commit('backup_1', FACTS, []);
    const sizes = [];
    for await (const { sizeBytes } of store.list('packs/')) sizes.push(sizeBytes);
    expect(sizes.length).toBeGreaterThan(0);
    expect(sizes.map(padme)).toEqual(sizes);
    await rm(folder, { recursive: true, force: true });
  });
});
