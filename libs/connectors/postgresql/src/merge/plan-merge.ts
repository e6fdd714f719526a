import type { Job, RestoreOutline } from '@rahat/connector-kit';
import type { Merge } from '@rahat/contracts';
import { RahatError } from '@rahat/contracts';
import { chooseTables } from './choose-tables.js';
import { inspectMerge, type InspectedTable } from './inspect-merge.js';
import type { MergeOrder } from './merge-restore.js';
import { connectToLive } from './merge-session.js';

/** What a restore into a live database would do, as far as it can be told without reading the backup's rows; changes nothing. */
export async function planMerge({ connection, request, database, dump }: MergeOrder, job: Job): Promise<RestoreOutline> {
  const { merge } = request;
  const chosen = chooseTables(dump, request);
  const rows = chosen.flatMap((table) => (table.rows ? [table.rows.artifact] : []));
  const outline = {
    objects: chosen.map(({ target, rows: stored }) => ({
      schema: target.schema,
      name: target.table,
      kind: 'table',
      ...(stored?.artifact.rows !== undefined && { rows: stored.artifact.rows }),
      sizeBytes: stored?.artifact.sizeBytes ?? 0,
    })),
    sizeBytes: merge.content === 'schema' ? 0 : rows.reduce((bytes, artifact) => bytes + artifact.sizeBytes, 0),
  };
  try {
    await using client = await connectToLive(connection, { database, label: request.label, lockWaitSeconds: merge.lockWaitSeconds }, job);
    const { tables, findings } = await inspectMerge(client, chosen, merge);
    return {
      ...outline,
      steps: stepsOf(tables, merge),
      overwrites:
        merge.content === 'schema'
          ? []
          : tables.flatMap(({ live }) => (live?.ordinary ? [`${database}: ${live.schema}.${live.name}`] : [])),
      findings,
    };
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'database_not_found') throw error;
    const missing = {
      code: 'target_missing',
      severity: 'blocker',
      object: database,
      message: 'The database that the rows should go into is not there.',
    } as const;
    return { ...outline, steps: [], overwrites: [], findings: [missing] };
  }
}

function stepsOf(tables: readonly InspectedTable[], merge: Merge): string[] {
  const make = tables.filter(({ live }) => !live).map(({ chosen: { target } }) => `Make the table ${target.schema}.${target.table}`);
  if (merge.content === 'schema') return [...make, 'Everything in one transaction'];
  return [
    ...make,
    'Stage the chosen rows in temporary tables, and prove that they are the backup’s',
    `Lock the tables against writers, waiting ${merge.lockWaitSeconds} seconds at most; reading goes on`,
    `Keep the rows that change for ${merge.safetyCopyDays} days, in a schema of their own in the same database (rahat_undo_…)`,
    ...tables.flatMap((table) => (table.chosen.rows ? [changeStep(table, merge)] : [])),
    'Compare counts and row hashes with the backup, and commit; or change nothing',
  ];
}

function changeStep({ chosen: { target, rows, condition }, live }: InspectedTable, { conflict }: Merge): string {
  // What was never analyzed has no estimate.
  const there = live && live.rows >= 1 ? `, about ${Math.round(live.rows)} in the table` : '';
  const backup = `${rows?.artifact.rows ?? 0} rows in the backup${there}`;
  const which = condition === undefined ? `${backup}` : `those where ${condition}; ${backup}`;
  const name = `${target.schema}.${target.table}`;
  switch (conflict) {
    case 'replace':
      return `${name}: remove rows that the backup doesn't have, update those that differ, insert those that lack (${which})`;
    case 'overwrite':
      return `${name}: update rows that differ, insert those that lack, remove none (${which})`;
    case 'missing':
      return `${name}: insert rows whose key is absent, change none (${which})`;
  }
}
