import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { say, stop } from '../workspace/workspace.mjs';

const CACHE = '/var/cache/rahat-backup';
const MAJOR = '18';
const PROGRAMS = [
  'pg_dump',
  'pg_dumpall',
  'pg_restore',
  'psql',
  'pg_basebackup',
  'pg_verifybackup',
  'pg_receivewal',
  'pg_combinebackup',
  'pg_waldump',
];

/**
 * PostgreSQL 18's client tools, which Debian 12 doesn't have: out of Debian's development release, in a folder of its
 * own. Wrappers run them through that folder's loader and libraries, because they need a newer C library.
 */
export function ensureNewestPostgresqlClients() {
  const bin = path.join(CACHE, 'postgresql', MAJOR, 'bin');
  if (existsSync(path.join(bin, 'pg_dump'))) return;
  if (process.getuid() !== 0) {
    say(`Tests that need the client tools of PostgreSQL ${MAJOR} will be left out: run \`npm test\` once as root to install them.`);
    return;
  }
  const system = path.join(CACHE, 'sid');
  if (!existsSync(path.join(system, `usr/lib/postgresql/${MAJOR}/bin/pg_dump`))) installSystem(system);
  writeWrappers(system, bin);
}

function installSystem(system) {
  say(`Fetching the client tools of PostgreSQL ${MAJOR} (about a minute) …`);
  const unfinished = `${system}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  const args = ['--variant=minbase', `--include=ca-certificates,postgresql-client-${MAJOR}`, 'sid', unfinished, debianMirror()];
  const { status } = spawnSync('debootstrap', args, { stdio: ['ignore', 'ignore', 2] });
  if (status !== 0) {
    const log = path.join(unfinished, 'debootstrap/debootstrap.log');
    if (existsSync(log)) say(readFileSync(log, 'utf8').split('\n').slice(-15).join('\n'));
    stop(`debootstrap could not fetch the client tools of PostgreSQL ${MAJOR} from the machine's Debian mirror: see its lines above.`);
  }
  rmSync(path.join(unfinished, 'var/cache/apt'), { recursive: true, force: true });
  renameSync(unfinished, system);
}

/** The loader is told the wrapper's own name, so that pg_dumpall finds pg_dump beside it. */
function writeWrappers(system, bin) {
  const unfinished = `${bin}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  for (const program of PROGRAMS) {
    const real = `${system}/usr/lib/postgresql/${MAJOR}/bin/${program}`;
    if (!existsSync(real)) continue;
    const script = `#!/bin/sh\nexec ${system}/lib64/ld-linux-x86-64.so.2 --argv0 "$0" --library-path ${system}/usr/lib/x86_64-linux-gnu ${real} "$@"\n`;
    writeFileSync(path.join(unfinished, program), script, { mode: 0o755 });
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
  return stop('No address of a Debian archive was found in /etc/apt: add one, the tests fetch PostgreSQL client tools from there.');
}
