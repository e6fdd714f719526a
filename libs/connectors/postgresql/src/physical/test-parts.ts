import type { BackupRequest, Job } from '@rahat/connector-kit';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { ArtifactsInMemory } from './artifacts-in-memory.js';
import { takeBaseBackup } from './take-base-backup.js';

export { ArtifactsInMemory };

/** What the specs of this folder share. */
export const quietJob: Job = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined };

export const physicalRequest = { method: 'postgresql.physical', label: "rhb 'spec'" } as const;

export function connectionTo(
  { host, port, user, password }: Pick<PostgresqlConnection, 'host' | 'port' | 'user' | 'password'>,
  changed: Partial<PostgresqlConnection> = {},
): PostgresqlConnection {
  return { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'prefer', ...changed };
}

/** With `parent` the one that it is restored upon, as long as the server took it so. */
export async function backUp(
  source: PostgresqlConnection,
  upon: Pick<BackupRequest, 'type'> & { parent?: ArtifactsInMemory } = {},
): Promise<ArtifactsInMemory> {
  const backup = new ArtifactsInMemory();
  backup.facts = await takeBaseBackup(source, { ...physicalRequest, ...upon }, backup, quietJob);
  if (backup.facts.label !== 'full · space-incremental') backup.parent = upon.parent;
  return backup;
}

/** The product's error with which this work fails. */
export async function failureOf(work: Promise<unknown>): Promise<RahatError> {
  const error = await work.then(
    () => new Error('It succeeded, and should have failed'),
    (reason: unknown) => reason,
  );
  if (error instanceof RahatError) return error;
  throw error;
}
