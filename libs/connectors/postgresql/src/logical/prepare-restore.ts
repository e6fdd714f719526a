import type { ArtifactSource, Job, RestoreRequest } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError } from '../errors.js';
import { inspectTarget, type TargetFacts } from './restore-target.js';
import { selectEntries, type Selection } from './selection.js';
import { entriesWithoutData, openStoredDump, type StoredDump } from './stored-dump.js';

/** A restore that has been looked at: what it selects, and what the target has and lacks. */
export interface PreparedRestore {
  connection: PostgresqlConnection;
  request: RestoreRequest;
  name: string;
  dump: StoredDump;
  selection: Selection;
  target: TargetFacts;
  /** The target is a server of our own that is removed afterwards. */
  throwaway: boolean;
}

export async function prepareRestore(
  connection: PostgresqlConnection,
  request: RestoreRequest,
  source: ArtifactSource,
  job: Job,
  throwaway = false,
): Promise<PreparedRestore> {
  if (request.target.kind !== 'database')
    throw new RahatError('invalid_input', 'A logical backup is restored into a database, not into a folder');
  const { name } = request.target;
  if (name === '' || Buffer.byteLength(name) > 63) throw new RahatError('invalid_input', 'The name of a database has 1 to 63 bytes');
  const dump = await openStoredDump(source);
  const [incomplete] = entriesWithoutData(dump);
  if (incomplete) throw new RahatError('dump_invalid', `The backup lacks the rows of ${incomplete.namespace}.${incomplete.tag}`);
  const selection = selectEntries(dump.toc, request.tables);
  await using client = await connectClient(connection, {
    database: connection.maintenanceDatabase,
    label: request.label,
    signal: job.signal,
  });
  const target = await inspectTarget(client, request, name, dump, selection.entries).catch((error: unknown) => {
    throw queryError(error, 'looking at the target');
  });
  return { connection, request, name, dump, selection: { ...selection, entries: target.entries }, target, throwaway };
}
