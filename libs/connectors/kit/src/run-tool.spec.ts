import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runTool, type ToolCall } from './run-tool.js';

let scratchFolder: string;
beforeAll(() => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-tool-'));
});
afterAll(() => rmSync(scratchFolder, { recursive: true, force: true }));

const shell = (script: string, more: Partial<ToolCall> = {}) =>
  runTool({ program: '/bin/sh', args: ['-c', script], scratchFolder, signal: new AbortController().signal, ...more });

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('runTool', () => {
  it('hands a secret over by a file without a name, readable again and again, and leaves none behind', async () => {
    await using run = await shell('cat /dev/fd/3; cat /dev/fd/3; stat -Lc %a /dev/fd/3; tr "\\0" "\\n" < /proc/self/environ', {
      secretFiles: ['planted\n'],
      env: { A: 'b' },
    });
    expect((await textOf(run.stdout)).split('\n').sort()).toEqual([
      '',
      '600',
      'A=b',
      'LC_ALL=C',
      'PATH=/usr/local/bin:/usr/bin:/bin',
      'planted',
      'planted',
    ]);
    expect((await run.exit).clean).toBe(true);
    expect(readdirSync('/dev/shm').filter((name) => name.startsWith('.rahat-'))).toEqual([]);
  });

  it('masks secrets in messages, drops what the classifier drops, and keeps first and last lines of a flood', async () => {
    await using run = await shell(
      'echo "password planted is wrong" >&2; echo "DETAIL: row" >&2; seq 1 100000 >&2; echo "error: the cause" >&2; exit 4',
      {
        secrets: ['planted'],
        classify: (line) =>
          line.startsWith('DETAIL') ? 'drop' : line.includes('wrong') ? { code: 'wrong', severity: 'warning', message: line } : undefined,
      },
    );
    await textOf(run.stdout);
    const exit = await run.exit;
    expect(exit).toMatchObject({
      code: 4,
      signal: null,
      clean: false,
      cause: 'error: the cause',
      findings: [{ message: 'password *** is wrong' }],
    });
    expect(exit.stderr).toMatch(/^password \*\*\* is wrong\n1\n2\n/);
    expect(exit.stderr).not.toContain('DETAIL');
    expect(exit.stderr.length).toBeLessThan(140_000);
  });

  it('waits when nobody reads, and stops the whole group even if it does not want to', async () => {
    const cancel = new AbortController();
    const run = await shell('trap "" INT TERM; sleep 300 & yes', { signal: cancel.signal });
    for await (const part of run.stdout) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    cancel.abort();
    expect(await run.exit).toMatchObject({ clean: false });
  }, 30_000);

  it('tells an error of the input from an error of the tool', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from('begin');
      throw new Error('the storage is gone');
    }
    await using run = await shell('cat >/dev/null; exit 0', { stdin: broken() });
    await textOf(run.stdout);
    expect(await run.exit).toMatchObject({ clean: false, stdinError: new Error('the storage is gone') });

    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.alloc(100_000);
    }
    await using early = await shell('exit 7', { stdin: endless() });
    await textOf(early.stdout);
    expect(await early.exit).toMatchObject({ code: 7, stdinError: undefined });
  });

  it('says that a program is not there', async () => {
    await expect(
      runTool({ program: '/nowhere/pg_dump', args: [], scratchFolder, signal: new AbortController().signal }),
    ).rejects.toMatchObject({ code: 'tool_failed' });
  });
});
