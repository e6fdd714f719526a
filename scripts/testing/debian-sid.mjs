import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { say, stop } from '../workspace/workspace.mjs';

/** What tests and measurements need beside the machine's own packages. */
export const CACHE = '/var/cache/rahat-backup';

/** Debian's development release with `packages` in a folder of its own; whole or not there. */
export function installDebianSid(system, packages) {
  const unfinished = `${system}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(path.dirname(system), { recursive: true });
  const args = ['--variant=minbase', `--include=${['ca-certificates', ...packages].join(',')}`, 'sid', unfinished, debianMirror()];
  const { status } = spawnSync('debootstrap', args, { stdio: ['ignore', 'ignore', 2] });
  if (status !== 0) {
    const log = path.join(unfinished, 'debootstrap/debootstrap.log');
    if (existsSync(log)) say(readFileSync(log, 'utf8').split('\n').slice(-15).join('\n'));
    stop(`debootstrap could not fetch ${packages.join(', ')} from the machine's Debian mirror: see its lines above.`);
  }
  rmSync(path.join(unfinished, 'var/cache/apt'), { recursive: true, force: true });
  // One with fewer packages, of an earlier version.
  rmSync(system, { recursive: true, force: true });
  renameSync(unfinished, system);
}

/**
 * Scripts that run programs of such a folder with its own loader and libraries, because they need a newer C library.
 * `programs`: name → what follows the loader on its command line; `environment` stands before.
 */
export function writeLoaderScripts(system, bin, programs, environment = '') {
  const unfinished = `${bin}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const loader = `${system}/lib64/ld-linux-x86-64.so.2 --argv0 "$0" --library-path ${system}/usr/lib/x86_64-linux-gnu`;
  for (const [name, command] of Object.entries(programs)) {
    writeFileSync(path.join(unfinished, name), `#!/bin/sh\n${environment}exec ${loader} ${command} "$@"\n`, { mode: 0o755 });
  }
  rmSync(bin, { recursive: true, force: true });
  renameSync(unfinished, bin);
}

/** The address of the Debian archive that this machine itself uses. */
function debianMirror() {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...(existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [])];
  for (const file of files.filter((name) => existsSync(name))) {
    const text = readFileSync(file, 'utf8');
    // Both forms: `URIs: <address>` of .sources files, `deb [options] <address> <suite> main` of .list files.
    const addresses = [...text.matchAll(/^URIs:\s*(\S+)/gm), ...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s/gm)].map(
      (match) => match[1],
    );
    const archive = addresses.find((address) => /\/debian\/?$/.test(address));
    if (archive) return archive;
  }
  return stop('No address of a Debian archive was found in /etc/apt: add one, newer programs are fetched from there.');
}
