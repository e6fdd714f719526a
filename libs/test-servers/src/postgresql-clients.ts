import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runsWith } from './missing-part.js';

export interface PgClients {
  major: number;
  /** Folder with pg_dump, pg_restore, pg_dumpall, psql, pg_basebackup. */
  folder: string;
  pgDump: string;
  pgRestore: string;
  psql: string;
}

/** Where the set-up of `npm test` puts wrappers around the newest client tools. */
const TEST_SET_UP = '/var/cache/rahat-backup/postgresql';

/** The client tools of one major, or undefined when they are not on this machine. */
export function findPgClients(major: number): PgClients | undefined {
  const folders = [`/usr/lib/postgresql/${major}/bin`, path.join(TEST_SET_UP, String(major), 'bin')];
  const folder = folders.find((candidate) => existsSync(path.join(candidate, 'pg_dump')));
  return folder === undefined ? undefined : clientsIn(folder, major);
}

/** For `(hasPgClients(18) ? describe : describe.skip)(…)`. */
export function hasPgClients(major: number): boolean {
  return runsWith(`PostgreSQL ${major} client tools`, findPgClients(major) !== undefined);
}

/**
 * Majors whose own tools no package source of the tests has → the next newer ones that write the same archive format: 1.14 up
 * to 15, 1.16 since 17. 16 alone writes 1.15, so it has its own.
 */
const STAND_INS: Partial<Record<number, number>> = { 13: 15, 14: 15, 17: 18 };

/**
 * Client tools for a server of this major: its own, or a newer major's that say they are of this one, as scripts in `folder`.
 * What they print is of the newer major except for the version in an archive's header.
 */
export function clientsOrStandIns(major: number, folder: string): PgClients | undefined {
  const own = findPgClients(major);
  const newer = STAND_INS[major];
  if (own || newer === undefined) return own;
  const real = findPgClients(newer);
  if (!real) return undefined;
  mkdirSync(folder, { recursive: true });
  for (const program of ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql']) {
    // The version in an archive's header is text of counted length: it is replaced by one as long, at its first place.
    const rename = program === 'pg_dump' ? ` | LC_ALL=C sed -b '0,/${newer}\\(\\.[0-9]* (\\)/s//${major}\\1/'` : '';
    const script = `#!/bin/bash
set -o pipefail
case "$*" in
--version) echo "${program} (PostgreSQL) ${major}.99" ;;
*) ${path.join(real.folder, program)} "$@"${rename} ;;
esac
`;
    writeFileSync(path.join(folder, program), script, { mode: 0o755 });
  }
  return clientsIn(folder, major);
}

function clientsIn(folder: string, major: number): PgClients {
  return {
    major,
    folder,
    pgDump: path.join(folder, 'pg_dump'),
    pgRestore: path.join(folder, 'pg_restore'),
    psql: path.join(folder, 'psql'),
  };
}
