import { type Finding, type PreflightSection, RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import type { RoutedConnection } from '../reach/index.js';
import { accessFindings } from './access-findings.js';
import { collationFindings } from './collation-findings.js';
import { contentFindings } from './content-findings.js';
import type { CurableFinding } from './cured.js';
import type { ManagedServer } from './managed-server.js';
import type { Rights } from './rights.js';

export interface PlacedFinding {
  section: PreflightSection;
  finding: CurableFinding & { database?: string };
}

interface Look {
  rights: Rights;
  managed: ManagedServer | null;
  label: string;
  signal: AbortSignal;
}

/** True of every database of a server, and so told once. */
const OF_THE_SERVER: Record<string, PreflightSection> = {
  role_passwords_not_dumped: 'rights',
  replica_source: 'identity',
};
const OF_EXTENSIONS = new Set(['extensions', 'timescaledb', 'citus', 'pg_cron', 'postgis']);

/** Looks into one database after the other; one that can't be looked into is a finding, as long as the server is there. */
export async function databaseFindings(names: readonly string[], connection: RoutedConnection, look: Look): Promise<PlacedFinding[]> {
  const placed: PlacedFinding[] = [];
  const told = new Set<string>();
  for (const database of names) {
    for (const finding of await findingsOf(database, connection, look)) {
      const section = OF_THE_SERVER[finding.code];
      if (section === undefined) placed.push({ section: sectionOf(finding), finding: { ...finding, database } });
      else if (!told.has(finding.code)) placed.push({ section, finding });
      told.add(finding.code);
    }
  }
  return placed;
}

async function findingsOf(
  database: string,
  connection: RoutedConnection,
  { rights, managed, label, signal }: Look,
): Promise<CurableFinding[]> {
  try {
    await using client = await connectClient(connection, { database, label, signal });
    return [
      ...(await accessFindings(client, rights, managed)),
      ...(await contentFindings(client, rights)),
      ...(await collationFindings(client, rights.major)),
    ];
  } catch (error) {
    signal.throwIfAborted();
    // Only what the server says to this database: its own absence ends the report.
    if (!(error instanceof RahatError) || error.retryable) throw error;
    return [{ code: 'database_closed', severity: 'blocker', message: error.message, fix: error.hint }];
  }
}

function sectionOf({ code }: Finding): PreflightSection {
  if (OF_EXTENSIONS.has(code)) return 'extensions';
  return code === 'collation_version_mismatch' ? 'health' : 'databases';
}
