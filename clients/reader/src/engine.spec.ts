import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createCipheriv, createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { LocalStore } from '@rahat/blob-store-local';
import { makeRecoveryKit, renderKit } from '@rahat/recovery-kit';
import { createRepository, openRepository } from '@rahat/repository';
import { ReaderProcess } from './testing/reader-process.js';
import { FACTS } from './testing/snapshot-facts.js';

const passphrase = 'parola: ağaç';
const MIB = 1024 * 1024;

let reader: ReaderProcess;
/** A repository with two snapshots that share most of their chunks; never changed by a test. */
let original: string;
let work: string;

beforeAll(async () => {
  reader = await ReaderProcess.bundle();
  original = await mkdtemp(join(tmpdir(), 'rahat-reader-engine-'));
  const repository = await createRepository(new LocalStore({ driver: 'local', path: original }, 'main'), { passphrase });
  await snapshot(repository, 'backup_1', 0);
  await snapshot(repository, 'backup_2', 3 * MIB);
  // A writer at work: its lease is a file of the repository too.
  await using _session = await repository.beginWriting({ writer: 'other' });
  await cp(join(original, 'main'), join(original, 'with-lease'), { recursive: true });
});
afterAll(async () => {
  await reader[Symbol.asyncDispose]();
  await rm(original, { recursive: true, force: true });
});
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'rahat-reader-work-'));
});
afterEach(() => rm(work, { recursive: true, force: true }));

/** Every class, sizes around the borders of the format, keys that are no file names, recipes in the manifest and in metadata packs. */
const OBJECTS = [
  ['rows/public/orders', 'rows', 9 * MIB],
  ['../../etc/passwd', 'rows', 300_000],
  ['base/5/16384 ünï\n\u202e', 'pages', 4 * MIB + 7],
  ['pg_wal/0001', 'log', 3 * MIB],
  ['one', 'small', 1],
  ['border', 'small', 16_384],
  ['nothing', 'rows', 0],
] as const;

async function snapshot(repository: Awaited<ReturnType<typeof createRepository>>, id: string, editedAt: number): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'spec', signal: new AbortController().signal });
  const written = [];
  for (const [order, [key, kind, sizeBytes]] of OBJECTS.entries()) {
    const body = content(key, sizeBytes);
    body.fill(id, Math.min(editedAt, sizeBytes), Math.min(editedAt + 1000, sizeBytes));
    written.push(await session.writeObject({ key, kind: 'rows', order, class: kind }, pieces(body), () => ({ rows: order })));
  }
  await session.commit(id, FACTS, written);
}

/** Half of it doesn't compress, so that raw and packed frames are there. */
function content(seed: string, sizeBytes: number): Buffer {
  const cipher = createCipheriv('aes-128-ctr', createHash('sha256').update(seed).digest().subarray(0, 16), Buffer.alloc(16));
  const bytes = cipher.update(Buffer.alloc(sizeBytes));
  for (let at = 0; at < sizeBytes; at += 2 * MIB) bytes.fill('all the same row\n', at, Math.min(sizeBytes, at + MIB));
  return bytes;
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return files.filter((name) => !name.includes('~')).sort();
}

async function copyOfRepository(which: 'main' | 'with-lease' = 'main'): Promise<string> {
  const path = join(work, 'repository');
  await cp(join(original, which), path, { recursive: true });
  return path;
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
  await writeFile(path, bytes);
}

interface Report {
  healthy: boolean;
  problems: { file: string; message: string }[];
  losses: { snapshot: string; object: string; message: string }[];
}

async function check(path: string, ...options: string[]): Promise<Report & { exitCode: number | null }> {
  const answer = await reader.run(['check', path, '--json', ...options], { passphrase });
  if (answer.stdout.length === 0) throw new Error(`exit code ${answer.exitCode}: ${answer.stderr}`);
  return { ...(JSON.parse(answer.stdout.toString()) as Report), exitCode: answer.exitCode };
}

describe('rahat-reader and what the engine writes', () => {
  it.each(['backup_1', 'backup_2'])('reads every object of %s as the engine reads it', async (id) => {
    const repository = await openRepository(new LocalStore({ driver: 'local', path: original }, 'main'), {
      type: 'passphrase',
      passphrase,
    });
    const to = join(work, 'restored');
    expect(await reader.run(['restore', join(original, 'main'), id, '--objects', '--to', to], { passphrase })).toMatchObject({
      exitCode: 0,
    });
    const listing = JSON.parse(await readFile(join(to, 'manifest.json'), 'utf8')) as { objects: { file: string; key: string }[] };
    expect((await filesOf(to)).sort()).toEqual(['manifest.json', ...listing.objects.map(({ file }) => file)].sort());

    const manifest = await repository.findSnapshot(id);
    await using session = await repository.beginReading();
    expect(listing.objects.map(({ key }) => key)).toEqual(manifest.objects.map(({ key }) => key));
    for (const [index, object] of manifest.objects.entries()) {
      const parts: Buffer[] = [];
      for await (const bytes of session.readObject(object)) parts.push(Buffer.from(bytes));
      const ours = await readFile(join(to, listing.objects[index]!.file));
      expect(ours.equals(Buffer.concat(parts))).toBe(true);
    }
  });

  it('gives one object to a pipe', async () => {
    const answer = await reader.run(['cat', join(original, 'main'), 'backup_1', '../../etc/passwd'], { passphrase, asNode20: true });
    expect(answer.exitCode).toBe(0);
    const expected = content('../../etc/passwd', 300_000);
    expected.fill('backup_1', 0, 1000);
    expect(answer.stdout.equals(expected)).toBe(true);
  });

  it.each([
    ['a recovery key', undefined, 1],
    ['shares', { threshold: 2, count: 3 }, 2],
  ])('opens by the text of a recovery kit with %s', async (_what, shares, needed) => {
    const path = await copyOfRepository();
    const repository = await openRepository(new LocalStore({ driver: 'local', path: dirname(path) }, basename(path)), {
      type: 'passphrase',
      passphrase,
    });
    const kits: string[] = [];
    await makeRecoveryKit(repository.keys, { place: path, madeAt: new Date(), shares }, async (sheets) => {
      for (const sheet of sheets) kits.push((await renderKit(sheet, 'txt')).toString());
    });
    const answer = await reader.run(['list', path, '--json'], { passphrase: kits.slice(0, needed).join('') });
    expect(JSON.parse(answer.stdout.toString())).toMatchObject([{ id: 'backup_1' }, { id: 'backup_2' }]);
    // As files of their own, and too few of them.
    const files = kits.map((_, i) => join(work, `kit-${i}.txt`));
    await Promise.all(files.map((file, i) => writeFile(file, kits[i]!)));
    const options = files.slice(1).flatMap((file) => ['--passphrase-file', file]);
    if (shares) expect(await reader.run(['list', path, ...options], { passphrase: kits[0] })).toMatchObject({ exitCode: 0 });
    else expect(kits).toHaveLength(1);
    const broken = kits[0]!.replace(/^( +1\. +)./m, '$1!');
    expect(await reader.run(['list', path], { passphrase: broken })).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('group 1'),
    });
  });

  it('reads a snapshot in the trash, and every repository without its index', async () => {
    const path = await copyOfRepository();
    await rm(join(path, 'index'), { recursive: true });
    await cp(join(path, 'snapshots'), join(path, 'trash'), { recursive: true });
    await rm(join(path, 'snapshots'), { recursive: true });
    const list = await reader.run(['list', path, '--json'], { passphrase });
    expect(JSON.parse(list.stdout.toString())).toMatchObject([
      { id: 'backup_1', inTrash: true },
      { id: 'backup_2', inTrash: true },
    ]);
    expect(await reader.run(['restore', path, 'backup_2', '--objects', '--to', join(work, 'out')], { passphrase })).toMatchObject({
      exitCode: 0,
    });
  });

  it('changes nothing in a repository, whatever it is asked', async () => {
    const path = await copyOfRepository();
    const state = async () => {
      const files = await filesOf(path);
      return Promise.all(
        files.map(async (name) => [
          name,
          createHash('sha256')
            .update(await readFile(join(path, name)))
            .digest('hex'),
        ]),
      );
    };
    const before = await state();
    for (const args of [
      ['list'],
      ['show', 'latest'],
      ['objects', 'latest'],
      ['check', '--data'],
      ['restore', 'latest', '--to', join(work, 'out')],
    ])
      expect(await reader.run([args[0]!, path, ...args.slice(1)], { passphrase })).toMatchObject({ exitCode: 0 });
    await reader.run(['list', path], { passphrase: 'wrong' });
    expect(await state()).toEqual(before);
  });

  it('never mixes two restores: a folder with content is refused', async () => {
    await writeFile(join(work, 'mine'), 'precious');
    const answer = await reader.run(['restore', join(original, 'main'), 'latest', '--to', work], { passphrase });
    expect(answer).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('not empty') });
    expect(await readdir(work)).toEqual(['mine']);
  });
});

describe('rahat-reader and damage', () => {
  it('names every file in which one byte was flipped, wherever it was', async () => {
    const path = await copyOfRepository('with-lease');
    const files = await filesOf(path);
    expect([...new Set(files.map((name) => name.split('/')[0]))].sort()).toEqual([
      'config',
      'index',
      'keys',
      'leases',
      'packs',
      'rahat.json',
      'snapshots',
    ]);
    for (const name of files) {
      const { length } = await readFile(join(path, name));
      for (const at of new Set([0, 30, Math.floor(length / 2), length - 15, length - 1])) {
        await flip(join(path, name), at);
        const answer = await reader.run(['check', path, '--data', '--json'], { passphrase });
        expect([name, at, answer.exitCode]).not.toEqual([name, at, 0]);
        expect(`${answer.stdout.toString()}${answer.stderr}`).toContain(name);
        await flip(join(path, name), at);
      }
    }
    expect(await check(path, '--data')).toMatchObject({ exitCode: 0, healthy: true });
  }, 300_000);

  it('sees by the structure alone that a pack is missing or cut, and which objects are lost', async () => {
    const path = await copyOfRepository();
    const pack = await packOf(path, 'one');
    await rename(join(path, pack), join(work, 'away'));
    const report = await check(path);
    expect(report).toMatchObject({ exitCode: 1, healthy: false, problems: [{ file: pack, message: expect.stringContaining('missing') }] });
    expect(report.losses.map(({ snapshot: id, object }) => [id, object])).toContainEqual(['backup_1', 'one']);
    await writeFile(join(path, pack), (await readFile(join(work, 'away'))).subarray(0, -1));
    const { problems } = await check(path);
    expect(problems).toContainEqual({ file: pack, message: expect.stringMatching(/has \d+ bytes instead of/) });
  });

  it('restores what is whole beside what is damaged, only when told to, and names the rest', async () => {
    const path = await copyOfRepository();
    const pack = await packOf(path, 'one');
    const { length } = await readFile(join(path, pack));
    await flip(join(path, pack), Math.floor(length / 2));
    const lost = new Set((await check(path, '--data')).losses.filter(({ snapshot: id }) => id === 'backup_1').map(({ object }) => object));
    expect(lost.size).toBeGreaterThan(0);
    expect(lost.size).toBeLessThan(OBJECTS.length);

    const refused = await reader.run(['restore', path, 'backup_1', '--objects', '--to', join(work, 'all')], { passphrase });
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(pack) });
    expect(await readdir(join(work, 'all'))).toEqual(['unfinished']);

    const answer = await reader.run(['restore', path, 'backup_1', '--objects', '--keep-going', '--to', join(work, 'some')], { passphrase });
    expect(answer).toMatchObject({ exitCode: 6, stderr: expect.stringContaining('LEFT OUT') });
    const listing = JSON.parse(await readFile(join(work, 'some/manifest.json'), 'utf8')) as {
      objects: { key: string; error?: string; file?: string }[];
    };
    expect(new Set(listing.objects.filter(({ error }) => error).map(({ key }) => key))).toEqual(lost);
    expect(await readdir(join(work, 'some/objects'))).toHaveLength(OBJECTS.length - lost.size);
  });

  it('finds a damaged chunk in another pack that has it too', async () => {
    const path = join(work, 'main');
    const repository = await createRepository(new LocalStore({ driver: 'local', path: work }, 'main'), { passphrase });
    const before = await filesOf(path);
    // Two writers that don't know of each other store the same chunks twice.
    await using first = await repository.beginWriting({ writer: 'first' });
    await using second = await repository.beginWriting({ writer: 'second' });
    const body = content('twice', 2 * MIB).subarray(MIB);
    for (const [id, session] of [
      ['backup_a', first],
      ['backup_b', second],
    ] as const) {
      const description = { key: 'twice', kind: 'rows', order: 0, class: 'rows' } as const;
      await session.commit(id, FACTS, [await session.writeObject(description, pieces(body), () => ({}))]);
    }
    const packs = (await filesOf(path)).filter((name) => name.startsWith('packs/') && !before.includes(name));
    expect(packs).toHaveLength(2);
    for (const pack of packs) {
      await flip(join(path, pack), 5_000);
      expect(await check(path, '--data')).toMatchObject({ exitCode: 1, problems: [{ file: pack }, { file: pack }], losses: [] });
      const answer = await reader.run(['cat', path, 'backup_a', 'twice'], { passphrase });
      expect(answer.exitCode).toBe(0);
      expect(answer.stdout.equals(body)).toBe(true);
      await flip(join(path, pack), 5_000);
    }
  });

  it('refuses what it does not know instead of guessing', async () => {
    for (const [from, to] of [
      ['"version": 1', '"version": 2'],
      ['"requiredFeatures": []', '"requiredFeatures": ["warp"]'],
    ] as const) {
      const path = await copyOfRepository();
      const text = await readFile(join(path, 'rahat.json'), 'utf8');
      expect(text).toContain(from);
      await writeFile(join(path, 'rahat.json'), text.replace(from, to));
      expect(await reader.run(['list', path], { passphrase })).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('Use a newer one'),
      });
    }
  });
});

/** The pack that the first snapshot's object is lost with: each in turn is taken away. */
async function packOf(path: string, key: string): Promise<string> {
  for (const name of (await filesOf(path)).filter((file) => file.startsWith('packs/'))) {
    await rename(join(path, name), join(work, 'away'));
    const { losses } = await check(path);
    await rename(join(work, 'away'), join(path, name));
    if (losses.some(({ snapshot: id, object }) => id === 'backup_1' && object === key)) return name;
  }
  throw new Error(`no pack alone holds ${key}`);
}
