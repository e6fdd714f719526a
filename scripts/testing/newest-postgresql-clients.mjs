import { existsSync } from 'node:fs';
import path from 'node:path';
import { say } from '../workspace/workspace.mjs';
import { CACHE, installDebianSid, writeLoaderScripts } from './debian-sid.mjs';

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

/** PostgreSQL 18's client tools, which Debian 12 doesn't have: out of Debian's development release. */
export function ensureNewestPostgresqlClients() {
  const bin = path.join(CACHE, 'postgresql', MAJOR, 'bin');
  if (existsSync(path.join(bin, 'pg_dump'))) return;
  if (process.getuid() !== 0) {
    say(`Tests that need the client tools of PostgreSQL ${MAJOR} will be left out: run \`npm test\` once as root to install them.`);
    return;
  }
  const system = path.join(CACHE, 'sid');
  const real = (program) => `${system}/usr/lib/postgresql/${MAJOR}/bin/${program}`;
  if (!existsSync(real('pg_dump'))) {
    say(`Fetching the client tools of PostgreSQL ${MAJOR} (about a minute) …`);
    installDebianSid(system, [`postgresql-client-${MAJOR}`]);
  }
  // The loader is told the script's own name, so that pg_dumpall finds pg_dump beside it.
  const programs = PROGRAMS.filter((program) => existsSync(real(program)));
  writeLoaderScripts(system, bin, Object.fromEntries(programs.map((program) => [program, real(program)])));
}
