import type pg from 'pg';
import type { RestoreRequest } from '@rahat/connector-kit';
import { RahatError, type Finding } from '@rahat/contracts';
import { quoteIdentifier, quoteLiteral } from '../errors.js';
import type { TocEntry } from './archive-toc.js';
import { isForEveryone } from './database-facts.js';
import { chooseExtension, type OfferedExtension } from './extension-rules.js';
import { databaseExists } from './staging.js';
import type { StoredDump } from './stored-dump.js';
import { leaveOut, neededOnlyByProvider } from './target-rules.js';

export interface TargetFacts {
  major: number;
  version: string;
  exists: boolean;
  missingRoles: string[];
  /** What is restored: the selection without what can't succeed on this target. */
  entries: TocEntry[];
  /** Versions that have to be named when these extensions are made. */
  extensionVersions: Map<string, string>;
  findings: Finding[];
}

/** What the target server has and lacks for this restore; changes nothing. */
export async function inspectTarget(
  client: pg.Client,
  request: RestoreRequest,
  name: string,
  dump: StoredDump,
  selected: readonly TocEntry[],
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
  const named = [...new Set([...selected.map((entry) => entry.owner), ...dump.facts.roles, ...rolesOfDatabase(dump, request)])];
  const absent = await rolesMissing(client, named);
  const present = new Set(named.filter((role) => !absent.includes(role)));
  const { entries, findings: leftOut } = leaveOut(selected, { superuser: server.superuser, roles: present });
  findings.push(...leftOut);
  // A partial restore needs the owners of what it restores; who holds rights is only known for the whole.
  const needed = new Set([...entries.map((entry) => entry.owner), ...dump.facts.roles]);
  const nameless = request.noOwner && request.noAcl;
  const missingRoles = nameless ? [] : absent.filter((role) => needed.has(role) && !neededOnlyByProvider(role, entries));
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
  const extensions = await chooseExtensions(client, dump, entries);
  findings.push(...extensions.findings, ...(await tablespaceFindings(client, dump)));
  // Roles that only the database itself names (its owner, its rights) stop no restore; without them that part is a finding.
  const alsoMissing = request.createMissingRoles ? rolesOfDatabase(dump, request).filter((role) => absent.includes(role)) : [];
  return {
    major,
    version: server.version,
    exists: await databaseExists(client, name),
    missingRoles: [...new Set([...missingRoles, ...alsoMissing])],
    entries,
    extensionVersions: extensions.versions,
    findings,
  };
}

function rolesOfDatabase({ facts }: StoredDump, request: RestoreRequest): string[] {
  return [
    ...(request.noOwner ? [] : [facts.owner]),
    ...(request.noAcl ? [] : (facts.grants ?? []).filter((grant) => !isForEveryone(grant)).map((grant) => grant.grantee)),
    ...facts.settings.flatMap(({ role }) => role ?? []),
  ];
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

async function rolesMissing(client: pg.Client, named: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) ORDER BY 1',
    [named.filter((role) => role !== '' && !role.startsWith('pg_'))],
  );
  return rows.map((row) => row.name);
}

async function chooseExtensions(
  client: pg.Client,
  dump: StoredDump,
  entries: readonly TocEntry[],
): Promise<{ findings: Finding[]; versions: Map<string, string> }> {
  const wanted = dump.facts.extensions.filter((extension) =>
    entries.some((entry) => entry.description === 'EXTENSION' && entry.tag === extension.name),
  );
  const { rows } = await client.query<OfferedExtension & { name: string }>(
    `SELECT v.name::text, array_agg(v.version::text) AS versions, min(e.default_version) AS standard
       FROM pg_available_extension_versions v JOIN pg_available_extensions e ON e.name = v.name WHERE v.name = ANY($1::text[]) GROUP BY 1`,
    [wanted.map((extension) => extension.name)],
  );
  const chosen = { findings: [] as Finding[], versions: new Map<string, string>() };
  for (const extension of wanted) {
    const choice = chooseExtension(
      extension,
      rows.find((row) => row.name === extension.name),
    );
    chosen.findings.push(...choice.findings);
    if (choice.version !== undefined) chosen.versions.set(extension.name, choice.version);
  }
  return chosen;
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
