import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalStore } from '@rahat/blob-store-local';
import { codeLine, createRepository } from '@rahat/repository';

const run = promisify(execFile);
const HERE = import.meta.dirname;
const GOLDEN = join(HERE, '../../../libs/repository/golden/format-1');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-reader-shipped-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function bundleTo(outfile: string): Promise<void> {
  await run(process.execPath, [
    '-e',
    `import(process.argv[1]).then((it) => it.bundle({ outfile: process.argv[2], format: 'esm' }))`,
    join(HERE, '../bundle.mjs'),
    outfile,
  ]);
}

/** Runs the reader at a terminal of its own and answers what it asks, one after the other. */
async function typeAt(file: string, answers: string[], repository = GOLDEN): Promise<{ exitCode: number | null; screen: string }> {
  const command = `'${process.execPath}' '${file}' list '${repository}'`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let screen = '';
  child.stdout.on('data', (piece: Buffer) => {
    const asked = questionsOn(screen);
    screen += piece.toString();
    for (const answer of answers.slice(asked, questionsOn(screen))) child.stdin.write(answer);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, screen }));
  });
}

function questionsOn(screen: string): number {
  return screen.match(/(Passphrase|Next share)[^:]*: /g)?.length ?? 0;
}

describe('rahat-reader as it is shipped', () => {
  it('can be read in an afternoon: under 2,000 lines, blank ones aside, in files of under 300', async () => {
    const files = (await readdir(HERE, { recursive: true })).filter((name) => /(?<!\.spec)\.ts$/.test(name) && !name.startsWith('testing'));
    const counts = await Promise.all(
      files.map(async (name) => (await readFile(join(HERE, name), 'utf8')).split('\n').filter((line) => line.trim() !== '').length),
    );
    expect(Math.max(...counts)).toBeLessThan(300);
    expect(counts.reduce((sum, count) => sum + count)).toBeLessThan(2000);
  });

  (process.platform === 'linux' ? it : it.skip)(
    'asks for the passphrase at a terminal without showing it, and takes corrections',
    async () => {
      const file = join(folder, 'rahat-reader.mjs');
      await bundleTo(file);
      const { exitCode, screen } = await typeAt(file, ['golden şifrX\u007fe\r']);
      expect(screen).toContain('backup_golden');
      expect(screen).not.toContain('golden ş');
      expect(exitCode).toBe(0);
      expect(await typeAt(file, ['wro\u0003'])).toMatchObject({ exitCode: 2, screen: expect.stringContaining('Cancelled') });
    },
  );

  (process.platform === 'linux' ? it : it.skip)('asks for one share after the other', async () => {
    const file = join(folder, 'rahat-reader.mjs');
    await bundleTo(file);
    const repository = await createRepository(new LocalStore({ driver: 'local', path: folder }, 'main'), { passphrase: 'x' });
    const { handout } = await repository.keys.add({ type: 'shares', label: 'board', threshold: 2, count: 3 });
    const [, second = '', third = ''] = handout.type === 'shares' ? handout.shares.map(codeLine) : [];
    const { exitCode, screen } = await typeAt(file, [`${third}\r`, `${second}\r`, '\r'], join(folder, 'main'));
    expect(exitCode).toBe(0);
    expect(questionsOn(screen)).toBe(3);
    expect(screen).not.toContain(third.slice(0, 9));
    expect(await typeAt(file, [`${third}\r`, '\r'], join(folder, 'main'))).toMatchObject({
      exitCode: 3,
      screen: expect.stringContaining('2 different shares are needed, 1 were given'),
    });
  });

  (process.platform === 'linux' && process.arch === 'x64' ? it : it.skip)(
    'is one executable that needs no Node.js',
    async () => {
      const file = join(folder, 'rahat-reader');
      await run(process.execPath, [join(HERE, '../make-executable.mjs'), file]);
      expect(await readdir(folder)).toEqual(['rahat-reader']);
      await writeFile(join(folder, 'passphrase'), 'golden şifre\n');
      const { stdout } = await run(file, ['check', GOLDEN, '--data', '--passphrase-file', join(folder, 'passphrase')], {
        cwd: folder,
        env: { PATH: folder },
      });
      expect(stdout).toContain('Healthy: 1 snapshots, 0 logs, 2 packs, 74 chunks');
      const licenses = await run(file, ['licenses'], { env: {} });
      expect(licenses.stdout).toMatch(/fzstd[\s\S]*MIT License[\s\S]*noble[\s\S]*MIT License/);
    },
    120_000,
  );
});
