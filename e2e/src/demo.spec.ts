import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import type { DemoResult } from '@rahat/demo';

const ENTRY = fileURLToPath(new URL('../../demo/dist/main.js', import.meta.url));

describe('npm run demo -- --json', () => {
  it('ends with one line that says what was proven', async () => {
    const child = spawn(process.execPath, [ENTRY, '--json'], {
      env: { ...process.env, RAHAT_DEMO_SCALE: '0.05' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number]>]);
    const lastLine = stdout.trimEnd().split('\n').at(-1)!;
    const result = JSON.parse(lastLine) as DemoResult;
    expect({ code, stderr, result }).toMatchObject({ code: 0, result: { proven: true, mismatches: 0 } });
    expect(result.tables).toBeGreaterThan(5);
    expect(result.rows).toBeGreaterThan(10_000);
    if (result.method === 'logical') {
      expect(result.lostTableRestored).toBe(true);
      expect(result.secondStoredBytes).toBeLessThan(result.firstStoredBytes);
    }
  }, 180_000);
});
