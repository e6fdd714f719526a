import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const MAIN = path.join(import.meta.dirname, '../dist/main.js');

describe('npm run cluster', () => {
  it('says in one sentence that Redis is missing, and what to do', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'rahat-cluster-'));
    try {
      const { status, stderr } = spawnSync(process.execPath, [MAIN], {
        encoding: 'utf8',
        env: { PATH: folder, HOME: folder, RAHAT_DATA_DIR: path.join(folder, 'data') },
      });
      expect(stderr.trim()).toBe(
        '✗ The cluster needs Redis for its queues, and this machine has no redis-server. Install it (Debian: apt install redis-server), set REDIS_URL to one of your own, or set RAHAT_QUEUES=postgresql to do without.',
      );
      expect(status).toBe(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
