import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '@rahat/test-servers';
import pg from 'pg';
import { openDataFolder } from '../data-folder/data-folder.js';
import { openEmbeddedPostgresql } from './embedded-postgresql.js';

let home = '';

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'rahat-standalone-'));
  chmodSync(home, 0o755);
});

afterEach(() => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));

describe('the embedded PostgreSQL', () => {
  it('keeps its data, password and port from one start to the next', async () => {
    const folder = openDataFolder(path.join(home, 'data'));
    const port = await freePort();
    const first = await openEmbeddedPostgresql(folder, port);
    await run(first.adminUrl, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await openEmbeddedPostgresql(folder, port + 1000);
    try {
      expect({ first: first.made, second: second.made, port: second.port }).toEqual({ first: true, second: false, port: first.port });
      expect(await run(second.adminUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
    } finally {
      await second.stop();
    }
  });

  it.each(['SIGKILL', 'SIGINT'] as const)('comes back with its data on its port when %s ended it, until it is stopped', async (signal) => {
    const folder = openDataFolder(path.join(home, 'data'));
    const told: string[] = [];
    const server = await openEmbeddedPostgresql(folder, await freePort(), (words) => void told.push(words));
    const postmaster = () => Number(readFileSync(path.join(folder.postgresql, '18/postmaster.pid'), 'utf8').split('\n')[0]);
    await run(server.adminUrl, 'create table kept as select 42 as answer');
    process.kill(postmaster(), signal);
    while (told.length === 0) await sleep(20);
    const answer = async (): Promise<unknown> => run(server.adminUrl, 'select answer from kept').catch(() => sleep(50).then(answer));
    expect(await answer()).toEqual([{ answer: 42 }]);
    await server.stop();
    expect(existsSync(path.join(folder.postgresql, '18/postmaster.pid'))).toBe(false);
    expect(told).toHaveLength(1);
  });

  it('moves to the next port when its own is taken', async () => {
    const taken = await occupy(await freePort());
    const { port } = taken.address() as { port: number };
    const server = await openEmbeddedPostgresql(openDataFolder(path.join(home, 'data')), port);
    expect(server.port).toBeGreaterThan(port);
    await server.stop();
    taken.close();
  });

  it('sets a half-made data folder aside and begins anew', async () => {
    const folder = openDataFolder(path.join(home, 'data'));
    mkdirSync(path.join(folder.postgresql, '18/base/1'), { recursive: true });
    writeFileSync(path.join(folder.postgresql, '18/PG_VERSION'), '18\n');
    mkdirSync(path.join(folder.postgresql, '18.unfinished'), { recursive: true });
    const server = await openEmbeddedPostgresql(folder, await freePort());
    await server.stop();
    expect(server.setAside).toMatch(/18\.half-made-/);
    expect(readdirSync(folder.postgresql).filter((name) => name.endsWith('.unfinished'))).toEqual([]);
  });

  it('refuses a damaged data folder that holds data, and leaves it as it is', async () => {
    const folder = openDataFolder(path.join(home, 'data'));
    mkdirSync(path.join(folder.postgresql, '18/base/16384'), { recursive: true });
    await expect(openEmbeddedPostgresql(folder, await freePort())).rejects.toThrow(/is damaged: .* but it holds data/);
    expect(existsSync(path.join(folder.postgresql, '18/base/16384'))).toBe(true);
  });

  it('starts over a postmaster.pid of another process', async () => {
    const folder = openDataFolder(path.join(home, 'data'));
    const port = await freePort();
    const first = await openEmbeddedPostgresql(folder, port);
    await first.stop();
    const stranger = spawn('sleep', ['60']);
    try {
      writeFileSync(path.join(folder.postgresql, '18/postmaster.pid'), `${stranger.pid}\n${folder.postgresql}/18\n`);
      const second = await openEmbeddedPostgresql(folder, port);
      await second.stop();
      expect(stranger.exitCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('is stopped by the kernel when the platform is killed, and comes back with its data', async () => {
    const folder = openDataFolder(path.join(home, 'data'));
    const port = await freePort();
    // A wrapper plays the platform: the server is its child.
    const { made, stop } = await openEmbeddedPostgresql(folder, port);
    expect(made).toBe(true);
    await stop();
    const cluster = path.join(folder.postgresql, '18');
    const pid = Number(await firstStartByKilledProcess(folder.root, port));
    expect(readFileSync(path.join(folder.logs, 'postgresql.log'), 'utf8')).toContain('ready to accept connections');
    const again = await openEmbeddedPostgresql(folder, port);
    expect(Number(readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0])).not.toBe(pid);
    await again.stop();
  });

  (process.getuid?.() === 0 ? it : it.skip)('names the closed folder when root’s server user cannot get in', async () => {
    chmodSync(home, 0o700);
    await expect(openEmbeddedPostgresql(openDataFolder(path.join(home, 'data')), 0)).rejects.toMatchObject({
      message: expect.stringContaining(`cannot get into ${home}`),
      hint: expect.stringContaining('set RAHAT_DATA_DIR'),
    });
  });
});

/** Starts the server from a process of its own, which is killed at once; gives the server's pid. */
async function firstStartByKilledProcess(root: string, port: number): Promise<string> {
  const code = `
    const { openDataFolder } = await import(${JSON.stringify(builtFile('data-folder/data-folder.js'))});
    const { openEmbeddedPostgresql } = await import(${JSON.stringify(builtFile('embedded-postgresql/embedded-postgresql.js'))});
    const { readFileSync } = await import('node:fs');
    await openEmbeddedPostgresql(openDataFolder(${JSON.stringify(root)}), ${port});
    console.log(readFileSync(${JSON.stringify(`${root}/postgresql/18/postmaster.pid`)}, 'utf8').split('\\n')[0]);
    process.kill(process.pid, 'SIGKILL');`;
  const killed = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  killed.stdout.on('data', (bytes) => (printed += String(bytes)));
  await once(killed, 'close');
  return printed.trim();
}

function builtFile(name: string): string {
  return path.join(import.meta.dirname, '../../dist', name);
}

async function run(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function occupy(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
