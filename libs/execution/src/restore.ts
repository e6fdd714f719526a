import type { ConnectorSession, RestoreFacts, RestoreRequest, SafetyCopyRequest } from '@rahat/connector-kit';
import { attemptLabel, RahatError, type RestoreEvidence, type RestoreSpec, type RunSecrets, type SafetyCopySpec } from '@rahat/contracts';
import type { Manifest, Repository } from '@rahat/repository';
import { openChain } from './chain.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { type DatabaseOrder, takeDatabaseOfServer } from './database-of-server.js';
import { refuseTarget } from './outline-database-of-server.js';
import { openRecovery, recoveryEvidence } from './recovery.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToRead } from './run-context.js';

/** The part of a restore spec that says what and where to. */
export type RestoreOrder = Pick<
  RestoreSpec,
  | 'run'
  | 'attempt'
  | 'engine'
  | 'snapshot'
  | 'fromDatabase'
  | 'target'
  | 'tables'
  | 'intoExisting'
  | 'noOwner'
  | 'noAcl'
  | 'recovery'
  | 'merge'
>;

export async function executeRestore(spec: RestoreSpec, secrets: RunSecrets, options: ExecutionOptions): Promise<RestoreEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  const repository = await openRepositoryToRead(secrets, spec.repository, options);
  return restoreSnapshot({ repository, order: spec, connection: secrets.target ?? secrets.source }, secrets, options);
}

export interface RestoreWork {
  repository: Repository;
  order: RestoreOrder;
  connection: SourceConnection | undefined;
}

export async function restoreSnapshot(work: RestoreWork, secrets: RunSecrets, options: ExecutionOptions): Promise<RestoreEvidence> {
  const { repository, order, connection } = work;
  const manifest = await repository.findSnapshot(order.snapshot);
  if (isOfServer(order, manifest)) return restoreDatabaseOfServer(work, manifest, order, secrets, options);
  const connector = await connectorFor(order.engine);
  const context = connectorContext(options);
  await using reading = await repository.beginReading({ signal: options.signal });
  const source = await openChain(repository, manifest, reading, { signal: options.signal, gate: options.gate, verifyChunks: false });
  const job = jobOf(options, secrets);
  let facts: RestoreFacts;
  if (order.target.kind === 'folder') {
    const recovery = order.recovery && (await openRecovery(repository, order.recovery, reading, options));
    facts = await connector.restoreToFolder(source, order.target.path, context, job, recovery);
  } else {
    if (order.recovery)
      throw new RahatError('invalid_input', 'A point in time is recovered in a folder, not in a running server', {
        hint: 'Name a folder as target, or say which database of the server is wanted.',
      });
    facts = await inTarget(order, connection, options, (target) => target.restore(restoreRequest(order), source, job));
  }
  return evidenceOf(manifest.snapshot, facts, recoveryEvidence(order.recovery, facts));
}

/** The database becomes a logical backup on the way, and is restored as any other is. */
async function restoreDatabaseOfServer(
  { repository, connection }: RestoreWork,
  manifest: Manifest,
  order: DatabaseOrder,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<RestoreEvidence> {
  await inTarget(order, connection, options, (target) => refuseTarget(order, target));
  await using taken = await takeDatabaseOfServer(repository, manifest, order, secrets, options);
  const { fromDatabase: _taken, recovery: _reached, ...rest } = order;
  const evidence = await restoreSnapshot(
    { repository: taken.repository, order: { ...rest, snapshot: taken.snapshot }, connection },
    secrets,
    options,
  );
  return { ...evidence, ...taken.evidence, snapshot: manifest.snapshot, findings: [...taken.findings, ...evidence.findings] };
}

/** Throws where one database of a server is asked for and there is none, or no place for it. */
export function isOfServer(order: RestoreOrder, { method }: Manifest): order is DatabaseOrder {
  if (order.fromDatabase === undefined) return false;
  if (method === 'postgresql.logical')
    throw new RahatError('invalid_input', 'A logical backup holds one database only; none is chosen from it', {
      hint: 'Leave the name of the database out.',
    });
  if (order.target.kind !== 'database')
    throw new RahatError('invalid_input', 'One database of a physical backup goes into a database of a server, not into a folder', {
      hint: 'Name a database as target, or restore the whole server to the folder.',
    });
  return true;
}

export async function inTarget<T>(
  { engine }: RestoreOrder,
  connection: SourceConnection | undefined,
  options: Pick<ExecutionOptions, 'toolFolders' | 'scratchFolder' | 'signal'>,
  work: (target: ConnectorSession) => Promise<T>,
): Promise<T> {
  if (!connection) throw new RahatError('message_invalid', 'The restore came without the credentials of its target server');
  await using target = await (await connectorFor(engine)).open(connection, connectorContext(options));
  return await work(target);
}

/** The undo of a restore into a live database, or the end of its safety copy: it needs the server only, and no repository. */
export async function executeSafetyCopy(spec: SafetyCopySpec, secrets: RunSecrets, options: ExecutionOptions): Promise<RestoreEvidence> {
  const connection = secrets.target ?? secrets.source;
  if (!connection) throw new RahatError('message_invalid', 'The undo came without the credentials of its server');
  await using session = await (await connectorFor(spec.engine)).open(connection, connectorContext(options));
  const facts = await session.endSafetyCopy(safetyCopyRequest(spec), jobOf(options, secrets));
  const { of, schema, action } = spec.order;
  return evidenceOf(spec.snapshot, facts, { ended: { of, schema, action } });
}

export function safetyCopyRequest({
  order,
  database,
  run,
  attempt,
}: Pick<SafetyCopySpec, 'order' | 'database' | 'run' | 'attempt'>): SafetyCopyRequest {
  const { schema, action, force, lockWaitSeconds } = order;
  return { schema, action, force, lockWaitSeconds, database, label: attemptLabel({ run, attempt }) };
}

function evidenceOf(
  snapshot: string,
  { target, setAside, tables, rows, bytes, findings, merged, safetyCopy }: RestoreFacts,
  more: Pick<RestoreEvidence, 'recovery' | 'ended'>,
): RestoreEvidence {
  return {
    type: 'restore',
    snapshot,
    target,
    setAside,
    tables,
    rows,
    bytes,
    findings,
    ...(merged && { merged }),
    ...(safetyCopy && { safetyCopy }),
    ...more,
  };
}

export function restoreRequest(order: RestoreOrder): RestoreRequest {
  return {
    target: order.target,
    ...(order.tables && { tables: order.tables.map(({ schema, table }): [string, string] => [schema, table]) }),
    intoExisting: order.intoExisting,
    noOwner: order.noOwner,
    noAcl: order.noAcl,
    ...(order.merge && { merge: order.merge }),
    label: attemptLabel(order),
  };
}
