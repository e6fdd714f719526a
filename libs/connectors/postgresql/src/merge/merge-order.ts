import type { ArtifactSource, RestoreRequest } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { entriesWithoutData, openStoredDump } from '../logical/stored-dump.js';
import type { RoutedConnection } from '../reach/index.js';
import type { MergeOrder } from './merge-restore.js';

/** Of a request that goes into a live database; undefined for others. */
export async function mergeOrder(
  connection: RoutedConnection,
  request: RestoreRequest,
  source: ArtifactSource,
): Promise<MergeOrder | undefined> {
  const { merge, target } = request;
  if (!merge) return undefined;
  if (target.kind !== 'database' || target.replace || request.intoExisting)
    throw new RahatError('invalid_input', 'A part of a backup goes into an existing database as it is', {
      hint: 'Name the database as target, without replacing it.',
    });
  const dump = await openStoredDump(source);
  const [incomplete] = entriesWithoutData(dump);
  if (incomplete) throw new RahatError('dump_invalid', `The backup lacks the rows of ${incomplete.namespace}.${incomplete.tag}`);
  return { connection, request: { ...request, merge }, database: target.name, dump };
}
