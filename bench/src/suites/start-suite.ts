import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RahatError } from '@rahat/contracts';
import type { BenchOptions } from '../bench-options.js';
import { median, type BenchResult } from '../result-table.js';
import { timeCommand } from '../time-command.js';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** From a bare clone to the address, to the first proof, and once more when built. Needs the package registry. */
export async function startSuite({ runs, log }: BenchOptions): Promise<BenchResult[]> {
  // Below a folder that every user can reach: as root, PostgreSQL runs as another user.
  const folder = await mkdtemp('/var/tmp/rahat-bench-start-');
  const clone = path.join(folder, 'clone');
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await timeCommand('chmod', ['755', folder]);
    await timeCommand('git', ['clone', '--quiet', PROJECT, clone]);
    const cache = path.join(folder, 'npm-cache');
    const environment = {
      ...process.env,
      npm_config_cache: cache,
      // Nx keeps its results for all clones of a repository in the home folder; a newcomer has none.
      NX_CACHE_DIRECTORY: path.join(clone, '.nx/cache'),
      RAHAT_DATA_DIR: path.join(folder, 'data'),
      RAHAT_PORT: '18420',
      XDG_CONFIG_HOME: path.join(folder, 'config'),
    };
    log('first start from a bare clone …');
    const first = await start(clone, environment);
    log(`address after ${first.secondsToUrl.toFixed(1)} s, waiting for the proof …`);
    const secondsToProof = await first.proof;
    const downloadMb = (await folderBytes(path.join(cache, '_cacache/content-v2'))) / 1e6;
    await becomeOwner(clone, environment, first.url);
    const status = await warmStatus(clone, environment, Math.max(runs, 3));
    await first.stop();
    const again = await start(clone, environment);
    await again.stop();
    return [
      {
        case: 'npm start, bare clone, empty cache, to the address',
        ours: first.secondsToUrl,
        unit: 's',
        target: '< 240 s',
        met: first.secondsToUrl < 240,
      },
      {
        case: 'first install downloads',
        ours: downloadMb,
        unit: 'MB',
        target: '< 500 MB',
        met: downloadMb < 500,
        note: 'what npm kept in its empty cache',
      },
      { case: 'first proof after the address', ours: secondsToProof, unit: 's', target: '< 180 s', met: secondsToProof < 180 },
      { case: 'npm start when built, to the address', ours: again.secondsToUrl, unit: 's', target: '< 20 s', met: again.secondsToUrl < 20 },
      { case: 'rahat-backup status, warm', ours: status * 1000, unit: 'ms', target: '< 400 ms', met: status < 0.4 },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Started {
  /** As the console says it: at the first start with the one-time token. */
  url: URL;
  secondsToUrl: number;
  proof: Promise<number>;
  stop(): Promise<void>;
}

async function start(cwd: string, env: NodeJS.ProcessEnv): Promise<Started> {
  const began = performance.now();
  const child = spawn('npm', ['start'], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  let urlAt = 0;
  const url = Promise.withResolvers<URL>();
  const proof = Promise.withResolvers<number>();
  proof.promise.catch(() => undefined);
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const [address] = /https?:\/\/127\.0\.0\.1\S*/.exec(line) ?? [];
    if (address !== undefined && urlAt === 0) {
      urlAt = performance.now();
      url.resolve(new URL(address));
    }
    if (/protected itself/.test(line)) proof.resolve((performance.now() - urlAt) / 1000);
    if (/did not prove its own backup/.test(line)) proof.reject(new RahatError('unavailable', line.trim()));
  });
  child.once('exit', (code) => {
    const error = new RahatError('unavailable', `npm start ended with ${code}`);
    url.reject(error);
    proof.reject(error);
  });
  const address = await url.promise;
  return { url: address, secondsToUrl: (urlAt - began) / 1000, proof: proof.promise, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-child.pid!, 'SIGINT');
  await ended;
}

async function becomeOwner(cwd: string, env: NodeJS.ProcessEnv, setupUrl: URL): Promise<void> {
  const secrets = { RAHAT_SETUP_TOKEN: setupUrl.searchParams.get('token') ?? '', RAHAT_PASSWORD: randomBytes(18).toString('base64url') };
  const code = await commandLine(cwd, { ...env, ...secrets }, [
    'login',
    '--setup',
    '--url',
    setupUrl.origin,
    '--email',
    'owner@example.com',
  ]);
  if (code !== 0) throw new RahatError('unavailable', `rahat-backup login ended with ${code}`);
}

async function warmStatus(cwd: string, env: NodeJS.ProcessEnv, times: number): Promise<number> {
  const seconds: number[] = [];
  for (let run = 0; run <= times; run += 1) {
    const began = performance.now();
    const code = await commandLine(cwd, env, ['status', '--json']);
    if (code !== 0) throw new RahatError('unavailable', `rahat-backup status ended with ${code}`);
    if (run > 0) seconds.push((performance.now() - began) / 1000);
  }
  return median(seconds);
}

async function commandLine(cwd: string, env: NodeJS.ProcessEnv, args: string[]): Promise<number | null> {
  const programs = path.join(cwd, 'node_modules/.bin');
  const child = spawn(path.join(programs, 'rahat-backup'), args, {
    cwd,
    env: { ...env, PATH: `${programs}${path.delimiter}${env['PATH'] ?? ''}` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    entries.filter((entry) => entry.isFile()).map(async (entry) => (await stat(path.join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
