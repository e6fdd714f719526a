import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '@rahat/blob-store-local';
import { createRepository, type LogFacts, type WriteSession } from '@rahat/repository';
import { ReaderProcess } from './testing/reader-process.js';

const passphrase = 'günlük';
const MIB = 1024 * 1024;
const STREAM = 'stream_1';
/** Where the log begins: the third segment, of one MiB each. */
const BEGIN = 2 * MIB;
const WAL = log(3 * MIB);
const HISTORY = '1\t0/3C0000\tno recovery target specified\n';

/** Each segment begins with PostgreSQL's long header. */
function log(bytes: number): Buffer {
  const blocks = Array.from({ length: bytes / 32 }, (_, i) => createHash('sha256').update(`block ${i}`).digest());
  const wal = Buffer.concat(blocks);
  for (let at = 0; at < bytes; at += MIB) {
    wal.writeUInt16LE(2, at + 2);
    wal.writeUInt32LE(MIB, at + 32);
  }
  return wal;
}

const lsn = (at: number): string => `0/${at.toString(16).toUpperCase()}`;
const place = (timeline: number, at: number): string => `${timeline.toString(16).padStart(8, '0')}-${at.toString(16).padStart(16, '0')}`;

async function commit(session: WriteSession, timeline: number, [from, to]: [number, number], history?: string): Promise<void> {
  async function* piece(): AsyncGenerator<Buffer> {
    yield WAL.subarray(from - BEGIN, to - BEGIN);
  }
  async function* text(): AsyncGenerator<Buffer> {
    yield Buffer.from(history!);
  }
  const meta = { timeline, start: lsn(from), end: lsn(to) };
  const key = `wal/${place(timeline, from)}`;
  const objects = [await session.writeObject({ key, kind: 'log', order: 0, class: 'log' }, piece(), () => ({ meta }))];
  const historyKey = { key: `history/${place(timeline, 0).slice(0, 8)}`, kind: 'file', order: 0, class: 'small' } as const;
  if (history) objects.push(await session.writeObject(historyKey, text(), () => ({ meta: { timeline } })));
  const facts: LogFacts = {
    run: 'run_1',
    attempt: 1,
    organization: 'org_1',
    server: { id: 'server_1', identity: '7311', name: 'shop', version: '18.1' },
    engine: 'postgresql',
    range: meta,
    findings: [],
    tool: 'spec',
  };
  await session.commitLog(STREAM, { first: place(timeline, from), last: place(timeline, to) }, facts, objects);
}

describe('rahat-reader and logs', () => {
  let reader: ReaderProcess;
  let folder: string;
  let path: string;
  beforeAll(async () => {
    reader = await ReaderProcess.bundle();
    folder = await mkdtemp(join(tmpdir(), 'rahat-reader-logs-'));
    path = join(folder, 'main');
    const repository = await createRepository(new LocalStore({ driver: 'local', path: folder }, 'main'), { passphrase });
    await using session = await repository.beginWriting({ writer: 'follower' });
    await commit(session, 1, [BEGIN, BEGIN + 100_000]);
    await commit(session, 1, [BEGIN + 100_000, BEGIN + 1_500_000]);
    // Of a follower whose fence came late.
    await commit(session, 1, [BEGIN + 100_000, BEGIN + 700_000]);
    await commit(session, 1, [BEGIN + 1_500_000, BEGIN + 1_900_000]);
    await commit(session, 2, [0x3c0000, 0x3c0000 + 50_000], HISTORY);
    await commit(session, 1, [BEGIN, BEGIN + 10]);
    await repository.removeLog(STREAM, { first: place(1, BEGIN), last: place(1, BEGIN + 10) });
  });
  afterAll(async () => {
    await reader[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const run = (...args: string[]) => reader.run(args, { passphrase });
  const contentOf = async (to: string): Promise<Record<string, Buffer>> => {
    const files: Record<string, Buffer> = {};
    for (const name of (await readdir(to)).sort()) files[name] = await readFile(join(to, name));
    return files;
  };

  it('lists them, shows one, and gives an object of it', async () => {
    const list = JSON.parse((await run('list', path, '--json')).stdout.toString()) as { id: string; inTrash: boolean; method: string }[];
    expect(list.map(({ id, inTrash, method }) => [id, inTrash, method])).toHaveLength(6);
    const id = `logs/${STREAM}/${place(1, BEGIN)}_${place(1, BEGIN + 100_000)}`;
    expect(list).toContainEqual(expect.objectContaining({ id, inTrash: false, server: 'shop', method: 'log', sizeBytes: 100_000 }));
    expect(list.filter(({ inTrash }) => inTrash)).toHaveLength(1);
    const shown = JSON.parse((await run('show', path, id)).stdout.toString()) as unknown;
    expect(shown).toMatchObject({ stream: STREAM, range: { timeline: 1, start: lsn(BEGIN), end: lsn(BEGIN + 100_000) }, objects: 1 });
    const { stdout } = await run('cat', path, id, `wal/${place(1, BEGIN)}`);
    expect(stdout.equals(WAL.subarray(0, 100_000))).toBe(true);
    expect((await run('show', path, 'latest')).exitCode).toBe(4);
  });

  it('writes them as segments and histories, whatever overlaps, zero-padded', async () => {
    const to = join(folder, 'wal');
    expect(await run('wal', path, STREAM, '--to', to)).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('Wrote 3 segments') });
    const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes], MIB);
    const files = await contentOf(to);
    expect(Object.keys(files)).toEqual([
      '000000010000000000000002',
      '000000010000000000000003',
      '00000002.history',
      '000000020000000000000003',
    ]);
    expect(files['000000010000000000000002']!.equals(WAL.subarray(0, MIB))).toBe(true);
    expect(files['000000010000000000000003']!.equals(padded(WAL.subarray(MIB, 1_900_000)))).toBe(true);
    const fork = 0x3c0000 - 3 * MIB;
    const fromFork = Buffer.concat([Buffer.alloc(fork), WAL.subarray(0x3c0000 - BEGIN, 0x3c0000 - BEGIN + 50_000)]);
    expect(files['000000020000000000000003']!.equals(padded(fromFork))).toBe(true);
    expect(files['00000002.history']!.toString()).toBe(HISTORY);
  });

  it('writes what holds a range alone, and says what is missing in between', async () => {
    const to = join(folder, 'part');
    expect(await run('wal', path, STREAM, '--from', lsn(BEGIN + 1_600_000), '--until', lsn(0x3c0000), '--to', to)).toMatchObject({
      exitCode: 0,
    });
    expect(Object.keys(await contentOf(to))).toEqual(['000000010000000000000003', '00000002.history']);

    const gapped = join(folder, 'gapped');
    await cp(path, gapped, { recursive: true });
    await rm(join(gapped, `logs/${STREAM}/${place(1, BEGIN + 100_000)}_${place(1, BEGIN + 1_500_000)}`));
    const answer = await run('wal', gapped, STREAM, '--to', join(folder, 'with-a-gap'));
    expect(answer).toMatchObject({ exitCode: 6, stderr: expect.stringContaining(`800000 bytes before ${lsn(BEGIN + 1_500_000)}`) });
    expect((await run('wal', path, 'stream_2', '--to', join(folder, 'none'))).exitCode).toBe(4);
    expect((await run('wal', path, STREAM, '--from', 'x', '--to', join(folder, 'none'))).exitCode).toBe(2);
  });

  it('checks them, and names what is lost of which', async () => {
    const whole = JSON.parse((await run('check', path, '--data', '--json')).stdout.toString()) as unknown;
    expect(whole).toMatchObject({ healthy: true, snapshots: 0, logs: 6, problems: [], losses: [] });
    const damaged = join(folder, 'damaged');
    await cp(path, damaged, { recursive: true });
    const [first] = await readdir(join(damaged, 'logs', STREAM));
    await truncate(join(damaged, 'logs', STREAM, first!), 100);
    const packs = await readdir(join(damaged, 'packs'));
    for (const pack of packs.slice(1)) await rm(join(damaged, 'packs', pack), { recursive: true });
    const { exitCode, stdout } = await run('check', damaged, '--json');
    const { problems, losses } = JSON.parse(stdout.toString()) as {
      problems: { file: string }[];
      losses: { snapshot: string; object: string }[];
    };
    expect(exitCode).toBe(1);
    expect(problems.map(({ file }) => file)).toContain(`logs/${STREAM}/${first}`);
    expect(losses.length).toBeGreaterThan(0);
    for (const { snapshot, object } of losses)
      expect(`${snapshot} ${object}`).toMatch(/^logs\/stream_1\/[0-9a-f-]+_[0-9a-f-]+ (wal|history)\//);
  });
});
