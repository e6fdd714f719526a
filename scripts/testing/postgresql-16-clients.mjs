import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root, say, stop } from '../workspace/workspace.mjs';
import { CACHE } from './debian-sid.mjs';
import { s3Python } from './s3-servers.mjs';

const PROGRAMS = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql', 'pg_amcheck'];

/** PostgreSQL 16's client tools, whose archive format no other major writes: out of a Python package that carries a server. */
export function ensurePostgresql16Clients() {
  const folder = path.join(CACHE, 'postgresql/16');
  if (existsSync(path.join(folder, 'bin/pg_dump'))) return;
  if (process.getuid() !== 0) {
    say('Tests that need the client tools of PostgreSQL 16 will be left out: run `npm test` once as root to install them.');
    return;
  }
  say('Installing the client tools of PostgreSQL 16 …');
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  const wanted = path.join(root, 'tools/test-servers/postgresql-16-clients.txt');
  const target = path.join(unfinished, 'package');
  const args = ['-m', 'pip', 'install', '--quiet', '--no-input', '--no-deps', '--target', target, '--requirement', wanted];
  const { status } = spawnSync(s3Python(), args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) stop(`\`pip ${args.slice(2).join(' ')}\` failed: see its lines above.`);
  const real = 'pgserver/pginstall/bin';
  const found = new Set(readdirSync(path.join(target, real)));
  mkdirSync(path.join(unfinished, 'bin'));
  // A tool looks beside itself for others, so it is started where it lies.
  for (const program of PROGRAMS.filter((name) => found.has(name))) {
    const script = `#!/bin/sh\nexec ${path.join(folder, 'package', real, program)} "$@"\n`;
    writeFileSync(path.join(unfinished, 'bin', program), script, { mode: 0o755 });
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}
