import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { seconds } from './installation.mjs';
import { productNode } from './node-version.mjs';
import { root, say, stop } from './workspace.mjs';

const stamp = path.join(root, 'node_modules/.cache/rahat-backup/built');

/** Builds when a source is newer than the last successful build. */
export function ensureBuilt() {
  if (!isStale()) return;
  build();
}

export function build() {
  say('Building …');
  const startedAt = Date.now();
  if (nx(['run', 'rahat-backup:build'], { quiet: true }) !== 0)
    stop('The build failed: see its lines above; a change to the sources must compile before it can run.');
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  // What was changed while the build ran isn't in it.
  utimesSync(stamp, new Date(startedAt), new Date(startedAt));
  say(`Built in ${seconds(startedAt)}.`);
}

/** Runs Nx with its output on stderr (when quiet, only if it fails); gives the exit code. */
export function nx(args, { quiet = false } = {}) {
  const env = {
    ...process.env,
    NX_DAEMON: 'false',
    NX_TUI: 'false',
    NX_NO_CLOUD: 'true',
    PATH: `${path.join(root, 'node_modules/.bin')}${path.delimiter}${process.env.PATH}`,
  };
  const result = spawnSync(
    productNode(),
    [path.join(root, 'node_modules/nx/dist/bin/nx.js'), ...args, '--outputStyle=stream-without-prefixes'],
    {
      cwd: root,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
      maxBuffer: 64 * 1024 * 1024,
      env,
    },
  );
  if (quiet && result.status !== 0) say(`${result.stdout}${result.stderr}`.trim());
  return result.status ?? 1;
}

function isStale() {
  if (!existsSync(stamp)) return true;
  const builtAt = statSync(stamp).mtimeMs;
  const folders = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).workspaces;
  if (changedAfter(path.join(root, 'tsconfig.base.json'), builtAt) || changedAfter(path.join(root, 'tsconfig.json'), builtAt)) return true;
  return folders.some((folder) => {
    const project = path.join(root, folder);
    if (!existsSync(path.join(project, 'dist'))) return true;
    return ['src', 'package.json', 'tsconfig.json'].some((part) => changedAfter(path.join(project, part), builtAt));
  });
}

/** A folder's own time counts too: it moves when a file is removed or renamed. */
function changedAfter(file, time) {
  const info = statSync(file, { throwIfNoEntry: false });
  if (!info) return false;
  if (info.mtimeMs > time) return true;
  return info.isDirectory() && readdirSync(file).some((name) => changedAfter(path.join(file, name), time));
}
