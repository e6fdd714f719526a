import type { PreflightFinding, PreflightReport } from '@rahat/contracts';
import { databaseConninfo } from '../connect.js';

type Curable = PreflightFinding & { cure: NonNullable<PreflightFinding['cure']> };

/**
 * All cures as one script for psql: first what concerns the server as a whole, then each database. It may be run again without harm.
 * Empty where there is nothing to cure.
 */
export function cureScript(
  findings: readonly PreflightFinding[],
  { user, version, role }: Pick<PreflightReport, 'user' | 'version' | 'role'>,
): string {
  const curable = findings.filter((finding): finding is Curable => finding.cure !== undefined);
  if (curable.length === 0) return '';
  const ofDatabases = Map.groupBy(
    curable.filter(({ cure }) => cure.scope === 'database'),
    ({ database }) => database,
  );
  return [
    comment(`What user ${user} lacks on this PostgreSQL ${version ?? ''}. For psql, as an administrator; it may be run again.`),
    ...(role === 'replica'
      ? [comment('This server is a replica: grants are given on its primary; only ALTER SYSTEM is for the replica itself.')]
      : []),
    '\\set ON_ERROR_STOP on',
    ...once(curable.filter(({ cure }) => cure.scope === 'server')).flatMap(statements),
    ...[...ofDatabases].flatMap(([database, inIt]) => [
      ...(database === undefined ? [] : [`\\connect -reuse-previous=on ${psqlArgument(databaseConninfo(database))}`]),
      ...once(inIt).flatMap(statements),
    ]),
    '',
  ].join('\n');
}

function statements({ message, database, cure }: Curable): string[] {
  const where = cure.scope === 'server' || database === undefined ? '' : ` (${database})`;
  return [comment(`${message}${where}${cure.restart ? ' Takes effect when the server is started again.' : ''}`), cure.sql];
}

/** The same statement cures the same lack of several databases. */
function once(findings: readonly Curable[]): Curable[] {
  const seen = new Set<string>();
  return findings.filter(({ cure }) => !seen.has(cure.sql) && seen.add(cure.sql));
}

/** Names of roles and databases are anybody's: a line end in one must not begin a statement. */
function comment(text: string): string {
  return `-- ${text.replaceAll(/\p{Cc}/gu, ' ')}`;
}

/**
 * Quoted for psql's \connect: as a whole, because a backslash begins an escape there and a line end ends everything; and inside of that
 * as an identifier, because double quotes are taken off once more.
 */
function psqlArgument(text: string): string {
  const identifier = `"${text.replaceAll('"', '""')}"`;
  return `'${identifier.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;
}
