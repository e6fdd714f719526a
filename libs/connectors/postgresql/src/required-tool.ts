import { RahatError } from '@rahat/contracts';
import { findTools, type PostgresqlTools } from './tools.js';

type Client = 'pgDump' | 'pgRestore' | 'pgDumpall';
const NAMES: Record<Client, string> = { pgDump: 'pg_dump', pgRestore: 'pg_restore', pgDumpall: 'pg_dumpall' };

export interface RequiredTool {
  path: string;
  major: number;
  version: string;
}

/** The client of exactly this major: an older one refuses, a newer one writes what the old server may not read back (engines.md §2). */
export async function clientOfMajor(client: Client, major: number, folders: readonly string[]): Promise<RequiredTool> {
  const found = await findTools(folders);
  return pick(found, client, (tools) => tools.major === major) ?? missing(client, `of PostgreSQL ${major}`, major, found);
}

/** The oldest pg_restore that reads the archive and knows the target. */
export async function restoreClient(archiveMajor: number, targetMajor: number, folders: readonly string[]): Promise<RequiredTool> {
  const found = await findTools(folders);
  const wanted = Math.max(archiveMajor, targetMajor);
  return (
    pick(found, 'pgRestore', (tools) => tools.major === wanted) ??
    // pg_restore talks to servers of any version; only the archive has to be understood.
    pick(found, 'pgRestore', (tools) => tools.major >= archiveMajor) ??
    missing('pgRestore', `that reads archives of PostgreSQL ${archiveMajor}`, wanted, found)
  );
}

function pick(found: PostgresqlTools[], client: Client, fits: (tools: PostgresqlTools) => boolean): RequiredTool | undefined {
  for (const tools of found) {
    const path = tools[client];
    if (path !== undefined && fits(tools)) return { path, major: tools.major, version: tools.version };
  }
  return undefined;
}

function missing(client: Client, which: string, major: number, found: PostgresqlTools[]): never {
  const present = [...new Set(found.filter((tools) => tools[client]).map((tools) => tools.version))].join(', ');
  throw new RahatError('tool_missing', `${NAMES[client]} ${which} is not on the worker${present === '' ? '' : ` (there is ${present})`}`, {
    hint: installHint(major),
  });
}

export function installHint(major: number): string {
  return `Install it on the worker: apt-get install postgresql-client-${major} (package source: https://apt.postgresql.org), or put the programs into /opt/tools/postgresql/${major}/bin.`;
}
