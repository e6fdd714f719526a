import type { ChosenSource, Connector } from '@rahat/connector-kit';
import type { BackupSpec, RunSecrets, SourceTaken } from '@rahat/contracts';
import type { SourceConnection } from './connectors.js';
import { connectorContext, type ExecutionOptions, sourceConnection } from './run-context.js';

/** So many attempts are made on a standby, which may cancel a dump to go on replaying (engines.md §3.2); then the primary is read. */
const ATTEMPTS_ON_STANDBYS = 2;

/** Where the backup is read, and what evidence says of it; nothing where the plan leaves no choice. */
export async function takeSource(
  connector: Connector<SourceConnection>,
  spec: Pick<BackupSpec, 'source' | 'attempt'>,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<{ connection: SourceConnection; taken?: SourceTaken }> {
  const primary = sourceConnection(secrets);
  const { source: order, attempt } = spec;
  if (!order || order.from === 'primary') return { connection: primary };
  options.onProgress({ phase: 'choosing the source', bytes: 0 });
  const givenUp = order.from === 'prefer-replica' && attempt > ATTEMPTS_ON_STANDBYS;
  const chosen: ChosenSource<SourceConnection> = givenUp
    ? { connection: primary, role: 'primary', passedOver: [`${ATTEMPTS_ON_STANDBYS} attempts on standbys did not succeed`] }
    : await connector.chooseSource(primary, secrets.standbys ?? [], order, connectorContext(options));
  const { connection, role, lagSeconds, passedOver } = chosen;
  for (const passed of passedOver) options.onLog('warning', `Not read: ${passed}`);
  const { host, port } = connection;
  const which = role === 'replica' ? 'the standby' : 'the primary';
  options.onLog('info', `Read from ${which} ${host}:${port}${lagSeconds ? `, ${lagSeconds.toFixed(1)} s behind` : ''}`);
  return { connection, taken: { role, host, port, ...(lagSeconds === undefined ? {} : { lagSeconds }), passedOver } };
}
