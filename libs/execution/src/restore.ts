import type { RestoreFacts, RestoreRequest } from '@rahat/connector-kit';
import { RahatError, type RestoreEvidence, type RestoreSpec, type RunSecrets } from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { attemptLabel } from './attempt-label.js';
import { openChain } from './chain.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { openRecovery, recoveryEvidence } from './recovery.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToRead } from './run-context.js';

/** The part of a restore spec that says what and where to. */
export type RestoreOrder = Pick<
  RestoreSpec,
  'run' | 'attempt' | 'engine' | 'snapshot' | 'target' | 'tables' | 'intoExisting' | 'noOwner' | 'noAcl' | 'recovery'
>;

export async function executeRestore(spec: RestoreSpec, secrets: RunSecrets, options: ExecutionOptions): Promise<RestoreEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  const repository = await openRepositoryToRead(secrets, spec.repository, options);
  return restoreSnapshot({ repository, order: spec, connection: secrets.target ?? secrets.source }, secrets, options);
}

export async function restoreSnapshot(
  work: { repository: Repository; order: RestoreOrder; connection: SourceConnection | undefined },
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<RestoreEvidence> {
  const { repository, order, connection } = work;
  const manifest = await repository.findSnapshot(order.snapshot);
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
    if (order.recovery) throw new RahatError('invalid_input', 'A point in time is recovered in a folder, not in a running server');
    if (!connection) throw new RahatError('message_invalid', 'The restore came without the credentials of its target server');
    await using target = await connector.open(connection, context);
    facts = await target.restore(restoreRequest(order), source, job);
  }
  const { target, setAside, tables, rows, bytes, findings } = facts;
  const recovery = recoveryEvidence(order.recovery, facts);
  return { type: 'restore', snapshot: manifest.snapshot, target, setAside, tables, rows, bytes, findings, ...recovery };
}

export function restoreRequest(order: RestoreOrder): RestoreRequest {
  return {
    target: order.target,
    ...(order.tables && { tables: order.tables.map(({ schema, table }): [string, string] => [schema, table]) }),
    intoExisting: order.intoExisting,
    noOwner: order.noOwner,
    noAcl: order.noAcl,
    label: attemptLabel(order),
  };
}
