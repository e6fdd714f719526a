import { type ArtifactSource, bytesOfFiles, type ConnectorSession, inMegabytes, type RestoreOutline } from '@rahat/connector-kit';
import { type Finding, RahatError, type RecoveryTarget, type TableName } from '@rahat/contracts';
import type { DatabaseOrder } from './database-of-server.js';
import type { RestoreOrder } from './restore.js';

/** What would be done, as far as it can be told before the server is recovered: which tables its database has is known only then. */
export async function outlineDatabaseOfServer(
  source: ArtifactSource,
  order: DatabaseOrder,
  session: ConnectorSession,
): Promise<RestoreOutline> {
  const { exists, findings } = await lookAtTarget(order, session);
  const sizeBytes = bytesOfFiles(source);
  return {
    steps: [
      `Recover the whole server${momentInWords(order.recovery?.target)} as a throwaway of the worker's own: its files take about ${inMegabytes(sizeBytes)} of the scratch folder, beside its log and a copy of the database`,
      `Read its database '${order.fromDatabase}' and remove the throwaway`,
      ...stepsInTarget(order),
    ],
    objects: [],
    sizeBytes,
    overwrites: overwritten(order, exists),
    findings,
  };
}

/** Before the work of hours. */
export async function refuseTarget(order: RestoreOrder, session: ConnectorSession): Promise<void> {
  const { findings } = await lookAtTarget(order, session);
  const [blocker] = findings;
  if (!blocker) return;
  throw new RahatError(blocker.code === 'target_missing' ? 'database_not_found' : 'restore_target_exists', blocker.message, {
    hint: blocker.fix ?? 'Nothing was changed.',
  });
}

/** With the codes of a logical restore. */
async function lookAtTarget(
  { target, merge, intoExisting }: RestoreOrder,
  session: ConnectorSession,
): Promise<{ exists: boolean; findings: Finding[] }> {
  const name = target.kind === 'database' ? target.name : '';
  const exists = (await session.discover()).some((database) => database.name === name);
  const blocker = (code: string, message: string, fix?: string): Finding[] => [{ code, severity: 'blocker', object: name, message, fix }];
  if ((merge ?? intoExisting) && !exists)
    return { exists, findings: blocker('target_missing', `The database '${name}' that the tables should go into is not there.`) };
  if (!merge && !intoExisting && exists && target.kind === 'database' && !target.replace)
    return {
      exists,
      findings: blocker('target_exists', `A database '${name}' exists.`, 'Choose another name, or say that it is replaced.'),
    };
  return { exists, findings: [] };
}

function stepsInTarget({ target, merge, intoExisting }: DatabaseOrder): string[] {
  const name = target.kind === 'database' ? target.name : target.path;
  if (merge)
    return [
      `Bring what is chosen into database ${name} in one transaction, prove it, and keep what it changes in a safety copy for ${merge.safetyCopyDays} days`,
    ];
  const staged = `Restore into a staging database, and compare rows and hashes of every table with what was read`;
  return intoExisting
    ? [staged, `Move existing tables of database ${name} aside and restore the chosen ones in one transaction`]
    : [
        staged,
        `Rename it to ${name}${target.kind === 'database' && target.replace ? ', and the one that is there aside, in one transaction' : ''}`,
      ];
}

function overwritten({ target, merge, intoExisting, tables = [] }: DatabaseOrder, exists: boolean): string[] {
  if (target.kind !== 'database') return [];
  const { name } = target;
  const named = (all: readonly TableName[]) => all.map(({ schema, table }) => `${name}: ${schema}.${table}`);
  if (merge) return [...named([...tables, ...(merge.rows ?? [])]), ...(merge.schemas ?? []).map((schema) => `${name}: ${schema}.*`)];
  if (intoExisting) return named(tables).map((table) => `${table}, if it exists`);
  return exists && target.replace ? [name] : [];
}

function momentInWords(target: RecoveryTarget | undefined): string {
  switch (target?.kind) {
    case undefined:
    case 'immediate':
      return ', as the backup has it,';
    case 'end':
      return ' to the end of its log';
    case 'time':
      return ` to ${target.time}`;
    case 'lsn':
      return ` to position ${target.lsn}`;
    case 'transaction':
      return ` to transaction ${target.transaction}`;
    case 'name':
      return ` to the restore point '${target.name}'`;
  }
}
