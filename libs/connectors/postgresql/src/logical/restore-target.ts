import type pg from 'pg';
import type { RestoreRequest } from '@rahat/connector-kit';
import { RahatError, type Finding } from '@rahat/contracts';
import { quoteIdentifier, quoteLiteral } from '../errors.js';
import type { TocEntry } from './archive-toc.js';
import { databaseExists } from './staging.js';
import type { StoredDump } from './stored-dump.js';

export interface TargetFacts {
  major: number;
  version: string;
  exists: boolean;
  missingRoles: string[];
  findings: Finding[];
}

/** What the target server has and lacks for this restore; changes nothing. */
export async function inspectTarget(
  client: pg.Client,
  request: RestoreRequest,
  name: string,
  dump: StoredDump,
  entries: readonly TocEntry[],
): Promise<TargetFacts> {
  const [server] = (
    await client.query<{ version: string; number: number; createdb: boolean; superuser: boolean }>(`
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, rolcreatedb AS createdb, rolsuper AS superuser
      FROM pg_roles WHERE rolname = current_user`)
  ).rows;
  if (!server) throw new RahatError('internal', 'The target server does not know its own user');
  const major = Math.floor(server.number / 10_000);
  const findings: Finding[] = [];
  if (major < dump.major) {
    findings.push({
      code: 'target_older',
      severity: 'blocker',
      message: `The target runs PostgreSQL ${server.version}, the backup is of PostgreSQL ${dump.toc.serverVersion}.`,
      fix: `Restore to PostgreSQL ${dump.major} or newer.`,
    });
  }
  if (!server.createdb && !server.superuser) {
    findings.push({
      code: 'createdb_missing',
      severity: 'blocker',
      message: 'The user may not create databases on the target.',
      fix: 'ALTER ROLE CURRENT_USER CREATEDB; -- as a superuser',
    });
  }
  const missingRoles = request.noOwner && request.noAcl ? [] : await rolesMissing(client, dump, entries);
  if (missingRoles.length > 0) {
    findings.push({
      code: 'roles_missing',
      severity: request.createMissingRoles ? 'info' : 'blocker',
      object: missingRoles.join(', '),
      message: request.createMissingRoles
        ? 'Roles that the target lacks are created without login.'
        : 'The backup names roles that the target lacks.',
      fix: missingRoles.map((role) => `CREATE ROLE ${quoteIdentifier(role)} NOLOGIN;`).join('\n'),
    });
  }
  findings.push(...(await extensionFindings(client, dump, entries)), ...(await tablespaceFindings(client, dump)));
  return { major, version: server.version, exists: await databaseExists(client, name), missingRoles, findings };
}

export function refuseBlockers(findings: readonly Finding[]): void {
  const blockers = findings.filter((finding) => finding.severity === 'blocker');
  if (blockers.length === 0) return;
  throw new RahatError(
    'restore_failed',
    blockers.map((finding) => `${finding.message}${finding.object ? ` (${finding.object})` : ''}`).join(' '),
    {
      hint: blockers
        .map((finding) => finding.fix)
        .filter((fix) => fix !== undefined)
        .join('\n'),
    },
  );
}

async function rolesMissing(client: pg.Client, dump: StoredDump, entries: readonly TocEntry[]): Promise<string[]> {
  // A partial restore needs the owners of what it restores; who holds rights is only known for the whole.
  const needed = new Set([...entries.map((entry) => entry.owner), ...dump.facts.roles]);
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) ORDER BY 1',
    [[...needed].filter((role) => role !== '' && !role.startsWith('pg_'))],
  );
  return rows.map((row) => row.name);
}

async function extensionFindings(client: pg.Client, dump: StoredDump, entries: readonly TocEntry[]): Promise<Finding[]> {
  const wanted = dump.facts.extensions.filter((extension) =>
    entries.some((entry) => entry.description === 'EXTENSION' && entry.tag === extension.name),
  );
  const { rows } = await client.query<{ name: string; versions: string[] }>(
    'SELECT name::text, array_agg(version::text) AS versions FROM pg_available_extension_versions WHERE name = ANY($1::text[]) GROUP BY 1',
    [wanted.map((extension) => extension.name)],
  );
  return wanted.flatMap((extension): Finding[] => {
    const available = rows.find((row) => row.name === extension.name);
    if (!available)
      return [
        {
          code: 'extension_missing',
          severity: 'blocker',
          object: extension.name,
          message: `Extension ${extension.name} is not installed on the target server.`,
          fix: `Install the package of ${extension.name} ${extension.version}.`,
        },
      ];
    if (available.versions.includes(extension.version)) return [];
    return [
      {
        code: 'extension_version',
        severity: extension.name === 'timescaledb' ? 'blocker' : 'warning',
        object: extension.name,
        message: `The backup has ${extension.name} ${extension.version}, the target offers ${available.versions.join(', ')}.`,
      },
    ];
  });
}

async function tablespaceFindings(client: pg.Client, dump: StoredDump): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = name)',
    [dump.facts.tablespaces],
  );
  return rows.map(({ name }) => ({
    code: 'tablespace_missing',
    severity: 'blocker',
    object: name,
    message: `Tablespace ${name} is not on the target.`,
    fix: `CREATE TABLESPACE ${quoteIdentifier(name)} LOCATION ${quoteLiteral('/path/on/the/target')};`,
  }));
}
