import type { InspectedServer, LogRecovery, ArtifactSource } from '@rahat/connector-kit';
import type { Recovery, RecoveryTarget } from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { openChain } from './chain.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { onlyStreamOf } from './offline-logs.js';
import { openRecovery } from './recovery.js';
import { connectorContext, type ExecutionOptions, jobOf } from './run-context.js';

export interface InspectionOrder {
  /** Id, `latest`, or a unique prefix. */
  snapshot: string;
  /** Absent or empty; it is removed afterwards, unless the server was promoted. */
  folder: string;
  /** A role of the source's that may log in. */
  user?: string;
  /** Absent: where the backup itself ends. */
  target?: RecoveryTarget;
  timeline?: number;
  /** Absent: the only one of its server that the repository holds. */
  stream?: string;
}

/** A server on a backup, as it was at a moment; read only. */
export interface Inspection extends Pick<InspectedServer<SourceConnection>, 'connection' | 'version' | 'findings' | 'reached' | 'lost'> {
  snapshot: string;
  /** On to a later target; whoever is connected is cut off. Throws `recovery_target_unreachable`, and is then where it was. */
  advance(target: RecoveryTarget): Promise<void>;
  /** It ends here, and its folder is a server of its own, which the caller may start. */
  promote(): Promise<void>;
}

/** The repository is read only while something is fetched from it: nobody's collection waits for who looks at a server for hours. */
export async function inspectSnapshot<T>(
  repository: Repository,
  order: InspectionOrder,
  look: (inspection: Inspection) => Promise<T>,
  options: ExecutionOptions,
): Promise<T> {
  const manifest = await repository.findSnapshot(order.snapshot);
  const connector = await connectorFor(manifest.engine);
  const job = jobOf(options, { repositories: [] });
  const stream = async () => order.stream ?? (await onlyStreamOf(repository, manifest.server));

  const reading = async <R>(
    target: RecoveryTarget | undefined,
    work: (source: ArtifactSource, recovery: LogRecovery | undefined) => Promise<R>,
  ): Promise<R> => {
    await using session = await repository.beginReading({ signal: options.signal });
    const source = await openChain(repository, manifest, session, { signal: options.signal, gate: options.gate, verifyChunks: false });
    const wanted: Recovery | undefined = target && { stream: await stream(), target, timeline: order.timeline };
    return await work(source, wanted && (await openRecovery(repository, wanted, session, options)));
  };

  await using server = await reading(order.target, (source, recovery) =>
    connector.inspectServer(source, order, connectorContext(options), job, recovery),
  );
  const { connection, version, findings, lost } = server;
  return await look({
    snapshot: manifest.snapshot,
    connection,
    version,
    findings,
    lost,
    get reached() {
      return server.reached;
    },
    advance: (target) => reading(target, (source, recovery) => server.advance(source, recovery!, job)),
    promote: () => server.promote(job),
  });
}
