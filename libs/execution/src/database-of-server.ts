import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import { ensureRoom, type RecoveredServer } from '@rahat/connector-kit';
import { type Finding, RahatError, type Recovery, type RunSecrets, type TableName } from '@rahat/contracts';
import { createRepository, grantCredential, type Manifest, type Repository } from '@rahat/repository';
import { executeBackup } from './backup.js';
import { openChain } from './chain.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { openRecovery, recoveryEvidence } from './recovery.js';
import type { RestoreOrder } from './restore.js';
import { connectorContext, type ExecutionOptions, jobOf } from './run-context.js';

/** One database of a physical backup as a logical backup, in a repository of its own that goes when it is disposed. */
export interface DatabaseOfServer extends AsyncDisposable {
  repository: Repository;
  snapshot: string;
  evidence: ReturnType<typeof recoveryEvidence>;
  findings: Finding[];
}

export type DatabaseOrder = RestoreOrder & { fromDatabase: string };

interface Place {
  folder: string;
  options: ExecutionOptions;
}

/**
 * The way of a database out of a physical backup into a server that is in use: the whole server is recovered as a throwaway, and its
 * database backed up into a repository in the scratch folder, whose keys only this process knows. When this resolves, the throwaway
 * has gone.
 */
export async function takeDatabaseOfServer(
  repository: Repository,
  manifest: Manifest,
  order: DatabaseOrder,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<DatabaseOfServer> {
  const folder = await mkdtemp(join(options.scratchFolder, 'database-'));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    await using server = await recoverServer(repository, manifest, order.recovery, secrets, options);
    const lost = await server.tablesWithLostRows(await existingDatabase(server, order, { folder, options }));
    refuseLostRows(order, lost);
    const taken = await backUp(server, manifest, order, { folder, options });
    const findings = [...taken.findings, ...lostRows(order, lost)];
    return { ...taken, findings, evidence: recoveryEvidence(order.recovery, server), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function recoverServer(
  repository: Repository,
  manifest: Manifest,
  wanted: Recovery | undefined,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<RecoveredServer<SourceConnection>> {
  await using reading = await repository.beginReading({ signal: options.signal });
  const source = await openChain(repository, manifest, reading, { signal: options.signal, gate: options.gate, verifyChunks: false });
  const recovery = wanted && (await openRecovery(repository, wanted, reading, options));
  const connector = await connectorFor(manifest.engine);
  return await connector.recoverServer(source, connectorContext(options), jobOf(options, secrets), recovery);
}

/** Its indexes are not dumped, and its rows are compressed: it needs no more than the database itself. */
async function existingDatabase(
  server: RecoveredServer<SourceConnection>,
  { engine, fromDatabase }: DatabaseOrder,
  { folder, options }: Place,
): Promise<string> {
  await using session = await (await connectorFor(engine)).open(server.connection, connectorContext(options));
  const databases = await session.discover();
  const found = databases.find(({ name }) => name === fromDatabase);
  if (!found)
    throw new RahatError('database_not_found', `There is no database '${fromDatabase}' in the backup at that moment`, {
      hint: `There are ${databases.map(({ name }) => `'${name}'`).join(', ')}. Nothing was changed.`,
    });
  await ensureRoom(folder, found.sizeBytes, `the database '${fromDatabase}' beside the recovered server`);
  return fromDatabase;
}

async function backUp(
  server: RecoveredServer<SourceConnection>,
  manifest: Manifest,
  { run, attempt, engine, fromDatabase }: DatabaseOrder,
  { folder, options }: Place,
): Promise<Pick<DatabaseOfServer, 'repository' | 'snapshot' | 'findings'>> {
  const storage = { driver: 'local' as const, path: folder };
  const repository = await createRepository(await openBlobStore(storage, ''), { passphrase: randomBytes(32).toString('base64url') });
  const access = {
    repositoryId: repository.id,
    storage,
    prefix: '',
    credential: grantCredential('read', repository.id, repository.exportSecrets()),
  };
  const snapshot = randomBytes(16).toString('hex');
  const { organization, server: of } = manifest;
  const evidence = await executeBackup(
    {
      ...{ run, attempt, organization, engine, snapshot, deep: false, repository: repository.id },
      ...{ type: 'backup', method: 'postgresql.logical', server: { id: of.id, name: of.name }, database: { name: fromDatabase } },
    },
    { source: server.connection, repositories: [access] },
    // What it says of itself would be taken for the backup's.
    { ...options, cacheFolder: undefined, onLog: (level, message) => level !== 'info' && options.onLog(level, message) },
  );
  return { repository, snapshot, findings: evidence.findings.filter(({ severity }) => severity === 'gap' || severity === 'blocker') };
}

/** A merge with tables whose rows are not in the backup would take the live ones for too many. */
function refuseLostRows({ tables = [], merge, fromDatabase }: DatabaseOrder, lost: readonly TableName[]): void {
  if (merge?.content === 'schema') return;
  const named = [...tables, ...(merge?.rows ?? [])];
  const chosen = lost.find(
    ({ schema, table }) =>
      named.some((name) => name.schema === schema && name.table === table) || merge?.schemas?.includes(schema) === true,
  );
  if (!chosen) return;
  throw new RahatError(
    'restore_refused',
    `The table ${chosen.schema}.${chosen.table} of '${fromDatabase}' is unlogged: physical backups don't hold its rows`,
    {
      hint: 'Leave it out, or take its rows from a logical backup. Nothing was changed.',
    },
  );
}

function lostRows({ tables, merge }: DatabaseOrder, lost: readonly TableName[]): Finding[] {
  if (tables || merge) return [];
  return lost.map(({ schema, table }) => ({
    code: 'unlogged_tables',
    severity: 'warning',
    object: `${schema}.${table}`,
    message: `The table ${schema}.${table} comes without its rows: it is unlogged, or has unlogged partitions, and physical backups hold no rows of such tables.`,
  }));
}
