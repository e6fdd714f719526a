import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const script = path.join(import.meta.dirname, 'start.mjs');
let home = '';

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'rahat-newcomer-'));
});

afterEach(() => {
  chmodSync(home, 0o700);
  rmSync(home, { recursive: true });
});

/** What a newcomer sees on the console; `options` are for node itself. */
function start(
  env: Record<string, string>,
  options: string[] = [],
  user?: { uid: number; gid: number },
): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, script], {
    encoding: 'utf8',
    timeout: 50_000,
    env: { PATH: process.env['PATH'], HOME: home, ...env },
    ...user,
  });
  return { status, text: stdout + stderr };
}

describe('npm start tells a newcomer in one sentence what to do', () => {
  it('when Node.js is too old', () => {
    const older = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.19.0'})`;
    const { status, text } = start({}, ['--import', older]);
    expect(status).toBe(1);
    expect(text.trim()).toBe(
      '✗ Node.js 18.19.0 is too old to install Rahat Backup: install Node.js 20.19 or newer from https://nodejs.org (Node.js 24 for running comes with it).',
    );
  });

  it('when a file is where the data folder should be', () => {
    const place = path.join(home, 'data');
    writeFileSync(place, '');
    const { status, text } = start({ RAHAT_DATA_DIR: place });
    const sentence =
      /\n✗ The data folder .* cannot be used: a file of that name is in the way\. Move that file away, or set RAHAT_DATA_DIR to another folder\.\n$/;
    expect({ status, text }).toEqual({ status: 1, text: expect.stringMatching(sentence) });
  });

  (process.getuid?.() === 0 ? it : it.skip)('when the data folder belongs to somebody else', () => {
    const place = path.join(home, 'data');
    mkdirSync(place, { mode: 0o700 });
    chmodSync(home, 0o755);
    const { status, text } = start({ RAHAT_DATA_DIR: place }, [], { uid: 65534, gid: 65534 });
    expect({ status, text }).toEqual({ status: 1, text: expect.stringMatching(/The data folder .* cannot be used: permission denied/) });
  });

  (process.getuid?.() === 0 ? it : it.skip)('when root’s PostgreSQL user cannot get into a 0700 home', () => {
    const { status, text } = start({ RAHAT_DATA_DIR: path.join(home, 'clone/.data') });
    expect(status).toBe(1);
    expect(text).toContain(`cannot get into ${home}`);
    expect(text).toContain('set RAHAT_DATA_DIR to a folder outside of it');
    expect(text).not.toMatch(/\n\s+at /);
  });

  it('when settings are wrong, all at once', () => {
    const { status, text } = start({ RAHAT_PORT: 'many', DATABASE_URL: 'mysql://nobody' });
    expect(status).toBe(1);
    expect(text).toContain('2 mistakes');
    expect(text).toContain('RAHAT_PORT');
    expect(text).toContain('DATABASE_URL');
    expect(text).not.toMatch(/\n\s+at /);
  });
});
