import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { loadConfig } from './load-config.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rahat-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const schema = z.object({
  DATABASE_URL: z.url().meta({ examples: ['postgres://user:password@host/database'] }),
  RAHAT_HTTP_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(8080)
    .meta({ examples: [8080] }),
  RAHAT_TOKEN: z.string().min(20, 'at least 20 characters').optional(),
});

function mistakesOf(env: Record<string, string>): string {
  try {
    loadConfig(schema, env);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('accepted');
}

describe('loadConfig', () => {
  it('reads variables and files, and applies defaults', () => {
    const file = path.join(folder, 'url');
    writeFileSync(file, 'postgres://a/b\n');
    expect(loadConfig(schema, { DATABASE_URL_FILE: file, RAHAT_TOKEN: '' })).toEqual({
      DATABASE_URL: 'postgres://a/b',
      RAHAT_HTTP_PORT: 8080,
    });
  });

  it('reports all mistakes at once, with an example and without the values', () => {
    const message = mistakesOf({ RAHAT_HTTP_PORT: 'ninety', RAHAT_TOKEN: 'hunter2' });
    expect(message.split('\n')).toEqual([
      'The configuration has 3 mistakes:',
      '  DATABASE_URL: is not set, for example DATABASE_URL=postgres://user:password@host/database',
      expect.stringMatching(/^ {2}RAHAT_HTTP_PORT: .*number.*, for example RAHAT_HTTP_PORT=8080$/),
      '  RAHAT_TOKEN: at least 20 characters',
    ]);
    expect(message).not.toMatch(/hunter2|ninety/);
  });

  it('names a file that it cannot read, and a variable that is given twice', () => {
    const message = mistakesOf({ DATABASE_URL_FILE: path.join(folder, 'missing'), RAHAT_TOKEN: 'x', RAHAT_TOKEN_FILE: 'y' });
    expect(message).toContain(`DATABASE_URL_FILE: cannot read ${path.join(folder, 'missing')} (ENOENT)`);
    expect(message).toContain('RAHAT_TOKEN: both RAHAT_TOKEN and RAHAT_TOKEN_FILE are set; keep one');
    expect(message.split('\n')).toHaveLength(3);
  });
});
