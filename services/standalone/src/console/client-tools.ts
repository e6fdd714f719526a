import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

const DISTRIBUTION_FOLDER = '/usr/lib/postgresql';

/** `pg_dump 15, 18`, or `pg_dump –` when there is none: what logical backups need. */
export function clientToolsInWords(toolFolders: string[]): { words: string; present: boolean } {
  const folders = [
    ...(existsSync(DISTRIBUTION_FOLDER)
      ? readdirSync(DISTRIBUTION_FOLDER).map((major) => path.join(DISTRIBUTION_FOLDER, major, 'bin'))
      : []),
    ...toolFolders,
  ];
  const majors = folders
    .filter((folder) => existsSync(path.join(folder, 'pg_dump')))
    .map((folder) => /(\d+)\/bin$/.exec(folder)?.[1] ?? folder);
  if (majors.length > 0) return { words: `pg_dump ${majors.join(', ')}`, present: true };
  const onPath = (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, 'pg_dump')));
  return { words: onPath ? 'pg_dump' : 'pg_dump –', present: onPath };
}
