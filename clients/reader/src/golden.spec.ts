import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReaderProcess } from './testing/reader-process.js';

const GOLDEN = join(import.meta.dirname, '../../../libs/repository/golden/format-1');
const passphrase = 'golden şifre';

let reader: ReaderProcess;
let folder: string;
beforeAll(async () => {
  reader = await ReaderProcess.bundle();
  folder = await mkdtemp(join(tmpdir(), 'rahat-reader-golden-'));
});
afterAll(async () => {
  await reader[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Listing {
  objects: { file: string; key: string; sizeBytes: number; sha256: string; rows?: number }[];
}

describe('rahat-reader and the golden repository of format 1', () => {
  for (const asNode20 of [false, true]) {
    const where = asNode20 ? 'without zstd and Argon2 in Node.js' : 'with what Node.js has';

    it(`restores every object, ${where}`, async () => {
      const to = join(folder, `restored-${asNode20}`);
      const answer = await reader.run(['restore', GOLDEN, 'latest', '--objects', '--to', to], { passphrase, asNode20 });
      expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('Restored 4 of 4 objects') });
      expect((await readdir(to)).sort()).toEqual(['manifest.json', 'objects']);
      const { objects } = JSON.parse(await readFile(join(to, 'manifest.json'), 'utf8')) as Listing;
      expect(objects.map(({ key, sizeBytes, rows }) => [key, sizeBytes, rows])).toEqual([
        ['pages', 2_293_760, undefined],
        ['rows/public/"or ders"', 100_000, 3],
        ['ddl', 33, undefined],
        ['empty', 0, undefined],
      ]);
      for (const { file, sha256 } of objects) {
        const found = createHash('sha256').update(await readFile(join(to, file)));
        expect(found.digest('hex')).toBe(sha256);
      }
    });
  }

  it('lists it, and finds every byte of it whole', async () => {
    const list = await reader.run(['list', GOLDEN, '--json'], { passphrase });
    expect(JSON.parse(list.stdout.toString())).toMatchObject([
      {
        id: 'backup_golden',
        inTrash: false,
        server: 'shop',
        database: 'shop',
        method: 'postgresql.logical',
        sizeBytes: 2_393_793,
        objects: 4,
      },
    ]);
    const check = await reader.run(['check', GOLDEN, '--data', '--json'], { passphrase });
    expect(check.exitCode).toBe(0);
    expect(JSON.parse(check.stdout.toString())).toEqual({
      healthy: true,
      level: 'data',
      snapshots: 1,
      logs: 0,
      packs: 2,
      chunks: 74,
      readBytes: 107_264,
      problems: [],
      losses: [],
    });
  });

  it('reads the one with a log, and puts its segments together', async () => {
    const withLogs = join(GOLDEN, '../format-1-logs');
    const check = await reader.run(['check', withLogs, '--data', '--json'], { passphrase });
    expect(JSON.parse(check.stdout.toString())).toMatchObject({ healthy: true, snapshots: 1, logs: 4, packs: 8, problems: [], losses: [] });
    const to = join(folder, 'wal');
    expect(await reader.run(['wal', withLogs, 'stream_golden', '--to', to], { passphrase, asNode20: true })).toMatchObject({ exitCode: 0 });
    expect((await readdir(to)).sort()).toEqual(['00000002.history', '000000010000000000000002', '000000020000000000000002'].sort());
    const first = (await readFile(join(to, '000000010000000000000002'))).subarray(20_000, 1_250_000);
    const pages = Buffer.concat(Array.from({ length: 170 }, (_, page) => Buffer.alloc(8192, `log page ${page} `)));
    expect(first.equals(pages.subarray(0, 1_230_000))).toBe(true);
  });

  it('opens by a passphrase in any normal form of Unicode', async () => {
    const { exitCode } = await reader.run(['list', GOLDEN], { passphrase: passphrase.normalize('NFD') });
    expect(exitCode).toBe(0);
  });

  it('refuses a wrong passphrase with an exit code of its own, and tells nothing', async () => {
    const answer = await reader.run(['list', GOLDEN], { passphrase: 'planted wrong' });
    expect(answer.exitCode).toBe(3);
    expect(answer.stdout).toHaveLength(0);
    expect(answer.stderr).toContain('does not fit');
    expect(answer.stderr).not.toContain('planted');
  });

  it('has no passphrase in its arguments: there is no such option', async () => {
    const answer = await reader.run(['list', GOLDEN, '--passphrase', passphrase]);
    expect(answer).toMatchObject({ exitCode: 2, stdout: Buffer.alloc(0) });
  });
});
