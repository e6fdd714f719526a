import { existsSync } from 'node:fs';
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
  if (!folder) return undefined;
  return {
    major,
    folder,
    pgDump: path.join(folder, 'pg_dump'),
    pgRestore: path.join(folder, 'pg_restore'),
    psql: path.join(folder, 'psql'),
  };
}

/** For `(hasPgClients(18) ? describe : describe.skip)(…)`. */
export function hasPgClients(major: number): boolean {
  return runsWith(`PostgreSQL ${major} client tools`, findPgClients(major) !== undefined);
}
