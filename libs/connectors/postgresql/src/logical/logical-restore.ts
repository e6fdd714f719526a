import type {
  ArtifactSource,
  ConnectorContext,
  Job,
  RestoreFacts,
  RestoreOutline,
  RestoreRequest,
  TableComparison,
} from '@rahat/connector-kit';
import { RahatError, type Finding, type PostgresqlConnection } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError, quoteIdentifier } from '../errors.js';
import { restoreClient } from '../required-tool.js';
import { analyzeRestored } from './analyze.js';
import type { TocEntry } from './archive-toc.js';
import { assertAllMatch, compareRows } from './compare-rows.js';
import { loadArchive } from './load-archive.js';
import { prepareRestore, type PreparedRestore } from './prepare-restore.js';
import { refuseBlockers } from './restore-target.js';
import { partNotRestored } from './selection.js';
import { refreshViews, withoutRefreshes } from './refresh-views.js';
import { withExtensionRules } from './extension-rules.js';
import { applyDatabaseFacts, createStaging, dropDatabase, setAsideName, stagingName, swapIn } from './staging.js';
import { archiveOf, comparableTables, type StoredDump } from './stored-dump.js';
import { restoreIntoExisting } from './table-restore.js';

export async function planLogicalRestore(
  connection: PostgresqlConnection,
  request: RestoreRequest,
  source: ArtifactSource,
  job: Job,
): Promise<RestoreOutline> {
  const { name, dump, selection, target } = await prepareRestore(connection, request, source, job);
  const replace = request.target.kind === 'database' && request.target.replace;
  const findings = [...selection.findings, ...selection.leftOut.map(partNotRestored), ...target.findings];
  if (request.intoExisting && !target.exists)
    findings.push({
      code: 'target_missing',
      severity: 'blocker',
      object: name,
      message: 'The database that the tables should go into is not there.',
    });
  if (!request.intoExisting && target.exists && !replace)
    findings.push({
      code: 'target_exists',
      severity: 'blocker',
      object: name,
      message: 'A database of this name exists.',
      fix: 'Choose another name, or say that it is replaced.',
    });
  const staging = stagingName(name, request.label);
  const selected = new Set(selection.entries);
  const proof = `Compare rows and hashes of ${comparableTables(dump.toc).filter((entry) => selected.has(entry)).length} tables with the backup`;
  return {
    steps: request.intoExisting
      ? [
          `Restore into staging database ${staging}`,
          proof,
          `Move existing tables of database ${name} aside and restore the chosen ones in one transaction`,
          'Compare again in place',
          `Drop ${staging}`,
        ]
      : [
          `Restore into staging database ${staging}`,
          proof,
          'Analyze, apply rights and settings of the database',
          target.exists
            ? `Rename ${name} to ${setAsideName(name, new Date())} and ${staging} to ${name} in one transaction`
            : `Rename ${staging} to ${name}`,
        ],
    objects: describeObjects(dump, selection.entries),
    sizeBytes: selection.entries
      .flatMap((entry) => dump.data.get(entry.dumpId) ?? [])
      .reduce((bytes, artifact) => bytes + artifact.sizeBytes, 0),
    overwrites: request.intoExisting
      ? (request.tables ?? []).map(([schema, table]) => `${name}: ${schema}.${table}, if it exists`)
      : target.exists && replace
        ? [name]
        : [],
    findings,
  };
}

/**
 * Stage → check → swap (engines.md §3.4). Into a `throwaway` server the same, but nothing reaches out from there to other
 * servers, and a locale that the machine lacks does not stop the proof.
 */
export async function restoreLogically(
  connection: PostgresqlConnection,
  request: RestoreRequest,
  source: ArtifactSource,
  context: ConnectorContext,
  job: Job,
  throwaway = false,
): Promise<RestoreFacts> {
  const prepared = await prepareRestore(connection, request, source, job, throwaway);
  const { name, target, selection } = prepared;
  const replace = request.target.kind === 'database' && request.target.replace;
  if (request.intoExisting && !target.exists) throw new RahatError('database_not_found', `There is no database '${name}' on the target`);
  if (!request.intoExisting && target.exists && !replace) {
    throw new RahatError('restore_target_exists', `A database '${name}' exists on the target`, {
      hint: 'Choose another name, or say that it is replaced; it is then kept under another name.',
    });
  }
  refuseBlockers([...selection.findings, ...target.findings]);

  // The database that a session is in can't be renamed.
  const home = connection.maintenanceDatabase === name ? 'template1' : connection.maintenanceDatabase;
  await using client = await connectClient(connection, { database: home, label: request.label, signal: job.signal });
  if (request.createMissingRoles)
    for (const role of target.missingRoles) await client.query(`CREATE ROLE ${quoteIdentifier(role)} NOLOGIN`);
  const staging = stagingName(name, request.label);
  // Into a database in use, what is missing from the choice may be there already; `restoreIntoExisting` tells.
  const findings = [...selection.findings, ...(request.intoExisting ? [] : selection.leftOut.map(partNotRestored)), ...target.findings];
  let keepStaging = false;
  try {
    findings.push(...(await createStaging(client, staging, prepared.dump.facts, target.major, throwaway)));
    const staged = await loadAndCompare(prepared, staging, context, job);
    findings.push(...staged.findings);
    keepStaging = staged.tables.some((table) => !table.matches);
    assertAllMatch(staged.tables, `The staged copy was kept as database '${staging}'.`);
    let setAside: string[];
    if (request.intoExisting) {
      const moved = await restoreIntoExisting(prepared, context, job);
      setAside = moved.setAside;
      findings.push(...moved.findings);
      await dropDatabase(client, staging);
    } else {
      findings.push(...(await analyze(prepared, staging, job)));
      findings.push(
        ...(await applyDatabaseFacts(client, staging, prepared.dump.facts, { owner: !request.noOwner, grants: !request.noAcl })),
      );
      job.signal.throwIfAborted();
      await using ender = await connectClient(connection, { database: home, label: request.label, signal: job.signal });
      const aside = await swapIn(client, ender, { staging, name, replace }, new Date());
      setAside = aside === undefined ? [] : [aside];
    }
    return {
      target: name,
      setAside,
      tables: staged.tables,
      rows: staged.tables.reduce((rows, table) => rows + table.actualRows, 0),
      bytes: staged.bytes,
      findings,
    };
  } catch (error) {
    if (!keepStaging) await removeStaging(connection, staging, request.label);
    if (job.signal.aborted) throw new RahatError('cancelled', 'The restore was cancelled', { cause: error });
    throw queryError(error, 'restoring');
  }
}

export async function loadAndCompare(
  prepared: PreparedRestore,
  database: string,
  context: ConnectorContext,
  job: Job,
): Promise<{ tables: TableComparison[]; findings: Finding[]; bytes: number }> {
  const { connection, request, dump, selection, target } = prepared;
  const tool = await restoreClient(dump.major, target.major, context.toolFolders);
  const totalBytes = selection.entries
    .flatMap((entry) => dump.data.get(entry.dumpId) ?? [])
    .reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
  let bytes = 0;
  const { loaded, refreshes } = withoutRefreshes(selection.entries);
  const archive = archiveOf(dump, withExtensionRules(dump.toc, loaded, target.extensionVersions), (length) => {
    bytes += length;
    job.progress({ phase: 'restore', bytes, totalBytes });
  });
  await loadArchive(
    tool,
    connection,
    { database, label: request.label, noOwner: request.noOwner ?? false, noAcl: request.noAcl ?? false, singleTransaction: false },
    archive,
    context,
    job,
  );
  await using client = await connectClient(connection, { database, label: request.label, signal: job.signal });
  const refreshed = await refreshViews(client, dump, refreshes, prepared.throwaway, job);
  const compared = await compareRows(client, dump, selection.entries, job);
  return { ...compared, findings: [...refreshed, ...subscriptionFindings(selection.entries), ...compared.findings], bytes };
}

/** pg_dump writes subscriptions so that nothing begins to flow by itself. */
function subscriptionFindings(entries: readonly TocEntry[]): Finding[] {
  return entries
    .filter((entry) => entry.description === 'SUBSCRIPTION')
    .map((entry) => ({
      code: 'subscription_not_enabled',
      severity: 'warning',
      object: entry.tag,
      message: `Subscription ${entry.tag} is restored without its connection being used: it receives nothing until it is enabled.`,
      fix: `ALTER SUBSCRIPTION ${quoteIdentifier(entry.tag)} ENABLE; ALTER SUBSCRIPTION ${quoteIdentifier(entry.tag)} REFRESH PUBLICATION; -- once the former subscriber no longer uses its slot`,
    }));
}

async function analyze(prepared: PreparedRestore, database: string, job: Job): Promise<Finding[]> {
  job.progress({ phase: 'analyze', bytes: 0 });
  await using client = await connectClient(prepared.connection, { database, label: prepared.request.label, signal: job.signal });
  return await analyzeRestored(client);
}

// The job's signal may be what ended the restore; cleaning up has its own.
async function removeStaging(connection: PostgresqlConnection, staging: string, label: string): Promise<void> {
  try {
    await using client = await connectClient(connection, {
      database: connection.maintenanceDatabase,
      label,
      signal: AbortSignal.timeout(30_000),
    });
    await dropDatabase(client, staging);
  } catch {
    // The server is gone: the next restore of this label drops the leftover first.
  }
}

function describeObjects(dump: StoredDump, entries: readonly TocEntry[]): RestoreOutline['objects'] {
  const rows = new Map(
    entries
      .filter((entry) => entry.hasCopyStatement)
      .map((entry) => [`${entry.namespace}\0${entry.tag}`, dump.data.get(entry.dumpId)?.[0]]),
  );
  const shown = new Set(['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'FUNCTION', 'PROCEDURE', 'FOREIGN TABLE']);
  return entries
    .filter((entry) => shown.has(entry.description))
    .map((entry) => {
      const artifact = entry.description === 'TABLE' ? rows.get(`${entry.namespace}\0${entry.tag}`) : undefined;
      return {
        schema: entry.namespace,
        name: entry.tag,
        kind: entry.description.toLowerCase(),
        rows: artifact?.rows,
        sizeBytes: artifact?.sizeBytes ?? 0,
      };
    });
}
