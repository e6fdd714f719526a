import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RahatError } from '@rahat/contracts';
import type { BenchOptions } from '../main.js';
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
    const environment = { ...process.env, npm_config_cache: path.join(folder, 'npm-cache'), RAHAT_DATA_DIR: path.join(folder, 'data'), RAHAT_PORT: '18420' };
    log('first start from a bare clone …');
    const first = await start(clone, environment);
    log(`address after ${first.secondsToUrl.toFixed(1)} s, waiting for the proof …`);
    const secondsToProof = await first.proof;
    const status = await warmStatus(clone, environment, Math.max(runs, 3));
    await first.stop();
    const again = await start(clone, environment);
    await again.stop();
    return [
      { case: 'npm start, bare clone, empty cache, to the address', ours: first.secondsToUrl, unit: 's', target: '< 240 s', met: first.secondsToUrl < 240 },
      { case: 'first proof after the address', ours: secondsToProof, unit: 's', target: '< 180 s', met: secondsToProof < 180 },
      { case: 'npm start when built, to the address', ours: again.secondsToUrl, unit: 's', target: '< 20 s', met: again.secondsToUrl < 20 },
      { case: 'rahat-backup status, warm', ours: status * 1000, unit: 'ms', target: '< 400 ms', met: status < 0.4, note: 'without a login: process, settings, one request' },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Started {
  secondsToUrl: number;
  proof: Promise<number>;
  stop(): Promise<void>;
}

async function start(cwd: string, env: NodeJS.ProcessEnv): Promise<Started> {
  const began = performance.now();
  const child = spawn('npm', ['start'], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  let urlAt = 0;
  const url = Promise.withResolvers<void>();
  const proof = Promise.withResolvers<number>();
  proof.promise.catch(() => undefined);
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (/https?:\/\/127\.0\.0\.1/.test(line) && urlAt === 0) {
      urlAt = performance.now();
      url.resolve();
    }
    if (/protected itself/.test(line)) proof.resolve((performance.now() - urlAt) / 1000);
  });
  child.once('exit', (code) => {
    const error = new RahatError('unavailable', `npm start ended with ${code}`);
    url.reject(error);
    proof.reject(error);
  });
  await url.promise;
  return { secondsToUrl: (urlAt - began) / 1000, proof: proof.promise, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-child.pid!, 'SIGINT');
  await ended;
}

async function warmStatus(cwd: string, env: NodeJS.ProcessEnv, times: number): Promise<number> {
  const seconds: number[] = [];
  for (let run = 0; run <= times; run += 1) {
    const began = performance.now();
    const child = spawn(path.join(cwd, 'node_modules/.bin/rahat-backup'), ['status', '--json'], { cwd, env: { ...env, RAHAT_TOKEN: env['RAHAT_TOKEN'] ?? 'rhb_none' }, stdio: 'ignore' });
    await once(child, 'exit');
    if (run > 0) seconds.push((performance.now() - began) / 1000);
  }
  return median(seconds);
}
