import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Where `npm run bench` puts programs that it fetched (scripts/benching). */
const FETCHED = '/var/cache/rahat-backup/bench-peers/programs';

export interface FoundProgram {
  program: string;
  version: string;
}

/** A peer that was fetched, or is on the PATH; `version` finds its version in what it prints with `args`. */
export function findProgram(name: string, args: string[], version: RegExp): FoundProgram | undefined {
  const folders = [FETCHED, ...(process.env['PATH'] ?? '').split(path.delimiter)];
  for (const program of folders.map((folder) => path.join(folder, name)).filter((file) => existsSync(file))) {
    const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
    const found = version.exec(stdout ?? '')?.[1];
    if (found) return { program, version: found };
  }
  return undefined;
}
