import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort, hasPostgresql, hasRedis, startPostgresql, startRedis } from '@rahat/test-servers';

const main = path.join(import.meta.dirname, '../dist/main.js');
let home = '';
let folder = '';
const started: ChildProcess[] = [];

interface Start {
  process: ChildProcess;
  text(): string;
  /** Resolves with everything printed so far once it contains `words`; rejects when the program ends before. */
  until(words: string | RegExp): Promise<string>;
  /** Exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

function start(env: Record<string, string> = {}): Start {
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      RAHAT_DATA_DIR: folder,
      RAHAT_PORT: '0',
      RAHAT_METRICS_PORT: '0',
      RAHAT_POSTGRESQL_PORT: '0',
      ...env,
    },
  });
  started.push(child);
  let text = '';
  const closed = once(child, 'close');
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (bytes) => (text += String(bytes)));
  return {
    process: child,
    text: () => text,
    async until(words) {
      while (!(typeof words === 'string' ? text.includes(words) : words.test(text))) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`It ended before it said ${String(words)}:\n${text}`);
        await sleep(50);
      }
      return text;
    },
    async end(signal) {
      child.kill(signal);
      await closed;
      return child.exitCode;
    },
  };
}

beforeAll(() => {
  home = mkdtempSync(path.join(tmpdir(), 'rahat-platform-'));
  chmodSync(home, 0o755);
  folder = path.join(home, 'data');
});

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});

afterAll(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

describe('standalone', () => {
  it('starts from nothing, lets its owner in, proves its own backup, and stops PostgreSQL last', async () => {
    const platform = start();
    const banner = await platform.until('Ctrl+C stops everything.');
    expect(banner).toMatch(/first start/);
    expect(banner).toMatch(/✓ PostgreSQL 18\.\d+ embedded {3}127\.0\.0\.1:\d+/);
    const setup = new URL(/Open +(\S+)/.exec(banner)![1]!);
    const runtime = JSON.parse(readFileSync(path.join(folder, 'runtime.json'), 'utf8')) as { url: string; metricsUrl: string; pid: number };
    expect(runtime).toMatchObject({ url: setup.origin, pid: platform.process.pid });
    expect(statSync(path.join(folder, 'keys')).mode & 0o777).toBe(0o700);

    const owner = { token: setup.searchParams.get('token'), name: 'Ada', email: 'ada@example.org', password: 'correct horse battery' };
    const made = await post(`${setup.origin}/api/v2/setup`, owner);
    expect(made.status).toBe(201);
    const { accessToken } = (await made.json()) as { accessToken: string };
    expect((await post(`${setup.origin}/api/v2/setup`, owner)).status).toBeGreaterThanOrEqual(400);

    await platform.until(/✓ protected itself: .* proven by a test restore in \d+ s|✗ did not prove/);
    expect(platform.text()).toContain('✓ protected itself');
    const answer = await fetch(`${setup.origin}/api/v2/status`, { headers: { authorization: `Bearer ${accessToken}` } });
    const status = (await answer.json()) as { databases: { state: string; serverName: string }[] };
    expect(status.databases).toContainEqual(expect.objectContaining({ state: 'proven', serverName: 'Rahat Backup metadata' }));
    expect(await (await fetch(`${runtime.metricsUrl}/metrics`)).text()).toContain('rahat_build_info');

    expect(await platform.end('SIGINT')).toBe(0);
    expect(platform.text()).toMatch(/Stopped\.\s*$/);
    const logs = readdirSync(path.join(folder, 'logs')).map((name) => readFileSync(path.join(folder, 'logs', name), 'utf8'));
    expect(logs.filter((log) => /database system is shut down\s*$/.test(log))).toHaveLength(1);
    expect(logs.join('')).not.toContain('terminating connection');
    for (const secret of ['postgresql-password', 'master.key', 'repository-local-passphrase']) {
      expect(platform.text() + logs.join('')).not.toContain(readFileSync(path.join(folder, 'keys', secret), 'utf8').trim());
    }
    expect(existsSync(path.join(folder, 'runtime.json'))).toBe(false);
  }, 180_000);

  it('starts again quickly and says little, and refuses a second instance on its data', async () => {
    const startedAt = Date.now();
    const platform = start();
    const banner = await platform.until('Ctrl+C stops everything.');
    expect(Date.now() - startedAt).toBeLessThan(20_000);
    expect(banner.trim().split('\n').length).toBeLessThanOrEqual(4);
    const { url } = JSON.parse(readFileSync(path.join(folder, 'runtime.json'), 'utf8')) as { url: string };

    const second = start();
    await once(second.process, 'close');
    expect(second.process.exitCode).toBe(1);
    expect(second.text().trim()).toMatch(
      /^✗ Rahat Backup runs already on .*\. Use that one, stop it with Ctrl\+C, or set RAHAT_DATA_DIR to another folder\.$/,
    );
    expect(second.text()).toContain(url);
    expect(await platform.end('SIGTERM')).toBe(0);
  }, 90_000);

  it('has its PostgreSQL back when somebody shuts that down, and stops in order when both are told to at once', async () => {
    const platform = start();
    await platform.until('Ctrl+C stops everything.');
    const { url } = JSON.parse(readFileSync(path.join(folder, 'runtime.json'), 'utf8')) as { url: string };
    const postmaster = () => Number(/^\d+/.exec(readFileSync(path.join(folder, 'postgresql/18/postmaster.pid'), 'utf8'))?.[0]);
    const readiness = () =>
      post(`${url}/api/v2/sessions`, { email: 'ada@example.org', password: 'correct horse battery' }).then(({ status }) => status);
    const before = postmaster();
    process.kill(before, 'SIGINT');
    for (const deadline = Date.now() + 60_000; (await readiness().catch(() => 0)) >= 300 || postmaster() === before; await sleep(300))
      expect(Date.now()).toBeLessThan(deadline);
    process.kill(postmaster(), 'SIGINT');
    expect(await platform.end('SIGTERM')).toBe(0);
    expect(platform.text()).toMatch(/Stopped\.\s*$/);
    expect(platform.text()).not.toMatch(/57P01|at Client|Unhandled/);
  }, 120_000);

  it('comes back with its data after a kill of the whole platform, on the next port when its own is taken', async () => {
    const first = start();
    await first.until('Ctrl+C stops everything.');
    first.process.kill('SIGKILL');
    await once(first.process, 'close');

    const port = await freePort();
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const second = start({ RAHAT_PORT: String(port) });
    const banner = await second.until('Ctrl+C stops everything.');
    squatter.close();
    const next = Number(new RegExp(`! port ${port} is taken: Rahat Backup is on (\\d+)`).exec(banner)?.[1]);
    // Some other program may have the very next one.
    expect(next).toBeGreaterThan(port);
    expect(next).toBeLessThan(port + 20);
    // The owner that was made in the first test is still there.
    expect(banner).not.toContain('/setup?token=');
    expect(await second.end('SIGINT')).toBe(0);
  }, 120_000);

  (hasPostgresql(15) && hasRedis() ? it : it.skip)(
    'runs on a PostgreSQL and a Redis of the operator, and leaves their protection to them',
    async () => {
      await using postgresql = await startPostgresql({ major: 15 });
      await using redis = await startRedis();
      await postgresql.query('create database control');
      const platform = start({
        RAHAT_DATA_DIR: path.join(home, 'own-servers'),
        DATABASE_URL: postgresql.connectionString('control'),
        REDIS_URL: redis.url,
      });
      await platform.until('is yours to protect');
      expect(platform.text()).toContain('✓ PostgreSQL of DATABASE_URL');
      expect(platform.text()).toContain('✓ queue: Redis of REDIS_URL');
      const { metricsUrl } = JSON.parse(readFileSync(path.join(home, 'own-servers/runtime.json'), 'utf8')) as { metricsUrl: string };
      expect(await (await fetch(`${metricsUrl}/readyz`)).json()).toMatchObject({ status: 'ok' });
      expect(existsSync(path.join(home, 'own-servers/postgresql'))).toBe(false);
      expect(await platform.end('SIGTERM')).toBe(0);
    },
    90_000,
  );

  it('stops by itself when the process that started it is gone', async () => {
    const platform = start();
    await platform.until('Ctrl+C stops everything.');
    // After a disconnect Node tells of the exit, but never of the close.
    const exited = once(platform.process, 'exit');
    platform.process.disconnect();
    await exited;
    expect(platform.process.exitCode).toBe(0);
  }, 90_000);
});

function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}
