// Writes openapi.json from the built platform, started on an empty folder; generate.mjs comes next.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const entry = path.join(import.meta.dirname, '../../services/standalone/dist/main.js');
const folder = await mkdtemp(path.join(tmpdir(), 'rahat-openapi-'));
// Root's PostgreSQL runs as another user, who must pass through.
await chmod(folder, 0o711);
const dataFolder = path.join(folder, 'data');
const environment = { RAHAT_DATA_DIR: dataFolder, RAHAT_PORT: '0', RAHAT_METRICS_PORT: '0', RAHAT_POSTGRESQL_PORT: '0' };
const platform = spawn(process.execPath, [entry], { env: { ...process.env, ...environment }, stdio: ['ignore', 'ignore', 'inherit'] });
const ended = once(platform, 'exit');
try {
  const { servers: _address, ...document } = await (await fetch(`${await readUrl()}/api/openapi.json`)).json();
  await writeFile(path.join(import.meta.dirname, 'openapi.json'), `${JSON.stringify(document, null, 2)}\n`);
} finally {
  platform.kill('SIGINT');
  await ended;
  await rm(folder, { recursive: true, force: true });
}

async function readUrl() {
  for (;;) {
    const runtime = await readFile(path.join(dataFolder, 'runtime.json'), 'utf8').catch(() => undefined);
    if (runtime) return JSON.parse(runtime).url;
    if (platform.exitCode !== null || platform.signalCode !== null) throw new Error('The platform did not start.');
    await sleep(100);
  }
}
