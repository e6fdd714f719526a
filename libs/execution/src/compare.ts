import type { Comparison, LiveDatabase, ObjectName } from '@rahat/connector-kit';
import { RahatError, type RunSecrets } from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { NO_SECRETS, openSnapshot } from './browse.js';
import type { SourceConnection } from './connectors.js';
import { connectorContext, jobOf, type ExecutionOptions } from './run-context.js';

export interface ComparisonOrder {
  /** Ids, `latest`, or unique prefixes. */
  older: string;
  newer: string | LiveDatabase<SourceConnection>;
  /** Absent = all. */
  tables?: ObjectName[];
  schemaOnly?: boolean;
  /** Rows of each kind that are shown for a table. */
  samples?: number;
  /** Gets SQL that makes the newer into the older. */
  undo?: { write(bytes: Buffer): Promise<void> };
}

export interface ComparisonReport extends Comparison {
  older: { snapshot: string; consistentAt: string };
  /** Of a live database the moment is that of the comparison. */
  newer: { snapshot: string; consistentAt: string } | { database: string };
}

const SAMPLES = 5;

/** Two backups of one repository, or a backup and a database as it is now. */
export async function compareSnapshots(
  repository: Repository,
  order: ComparisonOrder,
  options: ExecutionOptions,
  secrets: RunSecrets = NO_SECRETS,
): Promise<ComparisonReport> {
  await using older = await openSnapshot(repository, order.older, options);
  const { newer: other, samples = SAMPLES, older: _olderName, ...rest } = order;
  const compare = async (newer: Parameters<typeof older.decoder.compare>[0]['newer']): Promise<Comparison> =>
    older.decoder.compare({ ...rest, samples, older: older.source, newer }, connectorContext(options), jobOf(options, secrets));
  const { snapshot, consistentAt } = older.source.manifest;
  if (typeof other !== 'string') {
    const comparison = await compare(other);
    return { older: { snapshot, consistentAt }, newer: { database: other.database }, ...comparison };
  }
  await using newer = await openSnapshot(repository, other, options);
  const { manifest } = newer.source;
  if (manifest.engine !== older.source.manifest.engine)
    throw new RahatError('invalid_input', `Backups of ${older.source.manifest.engine} and ${manifest.engine} can't be compared`);
  const comparison = await compare(newer.source);
  return {
    older: { snapshot, consistentAt },
    newer: { snapshot: manifest.snapshot, consistentAt: manifest.consistentAt },
    ...comparison,
  };
}
