import {
  MOST_MANAGED_SNAPSHOTS,
  RahatError,
  type CloudAccountConnection,
  type FoundManagedSnapshot,
  type FoundManagedSnapshots,
  type ManagedRecovery,
  type RdsResource,
} from '@rahat/contracts';
import type { DBCluster, DBClusterSnapshot, DBInstance, DBSnapshot, RDSClient } from '@aws-sdk/client-rds';
import { rdsError } from './rds-errors.js';

/** Amazon's largest page. */
const PAGE = 100;
const CONNECT_LIMIT_MS = 10_000;
const ANSWER_LIMIT_MS = 30_000;

type Rds = typeof import('@aws-sdk/client-rds');

/**
 * Which snapshots Amazon holds of a database instance or cluster, automated and manual, and how far its own recovery reaches. Snapshots
 * of an instance of Aurora are of its cluster. `endpoint` in place of Amazon's own is for whoever runs the worker to say.
 */
export async function askManagedSnapshots(
  account: CloudAccountConnection,
  { endpoint, signal }: { endpoint?: string; signal: AbortSignal },
): Promise<FoundManagedSnapshots> {
  const { region, resource, credentials } = account;
  // Loaded by those alone who use it.
  const rds = await import('@aws-sdk/client-rds');
  const client = new rds.RDSClient({
    region,
    endpoint,
    credentials:
      credentials.source === 'access-key'
        ? { accessKeyId: credentials.accessKeyId, secretAccessKey: credentials.secretAccessKey }
        : undefined,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: CONNECT_LIMIT_MS, requestTimeout: ANSWER_LIMIT_MS },
  });
  try {
    return await ask({ rds, client, signal }, resource);
  } catch (error) {
    signal.throwIfAborted();
    throw rdsError(error, account);
  } finally {
    client.destroy();
  }
}

interface Asking {
  rds: Rds;
  client: RDSClient;
  signal: AbortSignal;
}

async function ask(asking: Asking, resource: RdsResource): Promise<FoundManagedSnapshots> {
  if (resource.kind === 'cluster') return ofCluster(asking, resource.id);
  const { rds, client, signal } = asking;
  const { DBInstances } = await client.send(new rds.DescribeDBInstancesCommand({ DBInstanceIdentifier: resource.id }), {
    abortSignal: signal,
  });
  const instance = DBInstances?.[0];
  if (!instance) throw missing(resource);
  return instance.DBClusterIdentifier ? ofCluster(asking, instance.DBClusterIdentifier) : ofInstance(asking, resource.id, instance);
}

async function ofInstance(asking: Asking, id: string, instance: DBInstance): Promise<FoundManagedSnapshots> {
  const { rds, client, signal } = asking;
  const { DBInstanceAutomatedBackups } = await client.send(
    new rds.DescribeDBInstanceAutomatedBackupsCommand({ DBInstanceIdentifier: id }),
    { abortSignal: signal },
  );
  const window = DBInstanceAutomatedBackups?.find(({ Status }) => Status !== 'retained')?.RestoreWindow;
  const { snapshots, complete } = await everyPage(async (Marker) => {
    const answer = await client.send(new rds.DescribeDBSnapshotsCommand({ DBInstanceIdentifier: id, MaxRecords: PAGE, Marker }), {
      abortSignal: signal,
    });
    return { snapshots: (answer.DBSnapshots ?? []).map(snapshotOfInstance), marker: answer.Marker };
  });
  return {
    resource: { kind: 'instance', id },
    recovery: {
      ...engineOf(instance),
      status: instance.DBInstanceStatus ?? 'unknown',
      retentionDays: instance.BackupRetentionPeriod ?? 0,
      earliest: timeOf(window?.EarliestTime),
      latest: timeOf(instance.LatestRestorableTime ?? window?.LatestTime),
    },
    snapshots,
    complete,
  };
}

async function ofCluster(asking: Asking, id: string): Promise<FoundManagedSnapshots> {
  const { rds, client, signal } = asking;
  const { DBClusters } = await client.send(new rds.DescribeDBClustersCommand({ DBClusterIdentifier: id }), { abortSignal: signal });
  const cluster = DBClusters?.[0];
  if (!cluster) throw missing({ kind: 'cluster', id });
  const { snapshots, complete } = await everyPage(async (Marker) => {
    const answer = await client.send(new rds.DescribeDBClusterSnapshotsCommand({ DBClusterIdentifier: id, MaxRecords: PAGE, Marker }), {
      abortSignal: signal,
    });
    return { snapshots: (answer.DBClusterSnapshots ?? []).map(snapshotOfCluster), marker: answer.Marker };
  });
  return {
    resource: { kind: 'cluster', id },
    recovery: {
      ...engineOf(cluster),
      status: cluster.Status ?? 'unknown',
      retentionDays: cluster.BackupRetentionPeriod ?? 0,
      earliest: timeOf(cluster.EarliestRestorableTime),
      latest: timeOf(cluster.LatestRestorableTime),
    },
    snapshots,
    complete,
  };
}

async function everyPage(
  page: (marker: string | undefined) => Promise<{ snapshots: FoundManagedSnapshot[]; marker: string | undefined }>,
): Promise<{ snapshots: FoundManagedSnapshot[]; complete: boolean }> {
  const snapshots: FoundManagedSnapshot[] = [];
  let marker: string | undefined;
  do {
    const answer = await page(marker);
    snapshots.push(...answer.snapshots);
    marker = answer.marker === '' ? undefined : answer.marker;
  } while (marker !== undefined && snapshots.length < MOST_MANAGED_SNAPSHOTS);
  return {
    snapshots: snapshots.slice(0, MOST_MANAGED_SNAPSHOTS),
    complete: marker === undefined && snapshots.length <= MOST_MANAGED_SNAPSHOTS,
  };
}

function snapshotOfInstance(snapshot: DBSnapshot): FoundManagedSnapshot {
  return {
    reference: snapshot.DBSnapshotArn ?? '',
    name: snapshot.DBSnapshotIdentifier ?? '',
    of: 'instance',
    ...common(snapshot),
  };
}

function snapshotOfCluster(snapshot: DBClusterSnapshot): FoundManagedSnapshot {
  return {
    reference: snapshot.DBClusterSnapshotArn ?? '',
    name: snapshot.DBClusterSnapshotIdentifier ?? '',
    of: 'cluster',
    ...common({ ...snapshot, Encrypted: snapshot.StorageEncrypted }),
  };
}

type Common = Pick<
  DBSnapshot,
  'SnapshotType' | 'Engine' | 'EngineVersion' | 'AllocatedStorage' | 'Encrypted' | 'KmsKeyId' | 'Status' | 'SnapshotCreateTime'
>;

function common(snapshot: Common): Omit<FoundManagedSnapshot, 'reference' | 'name' | 'of'> {
  return {
    origin: ORIGINS[snapshot.SnapshotType ?? ''] ?? 'other',
    engine: snapshot.Engine ?? 'unknown',
    engineVersion: snapshot.EngineVersion ?? null,
    allocatedGib: snapshot.AllocatedStorage ?? null,
    encrypted: snapshot.Encrypted ?? false,
    keyId: snapshot.KmsKeyId ?? null,
    status: snapshot.Status ?? 'unknown',
    createdAt: timeOf(snapshot.SnapshotCreateTime),
  };
}

const ORIGINS: Record<string, FoundManagedSnapshot['origin']> = { automated: 'automated', manual: 'manual', awsbackup: 'backup-service' };

function engineOf({
  Engine,
  EngineVersion,
}: Pick<DBInstance | DBCluster, 'Engine' | 'EngineVersion'>): Pick<ManagedRecovery, 'engine' | 'engineVersion'> {
  return { engine: Engine ?? 'unknown', engineVersion: EngineVersion ?? 'unknown' };
}

function timeOf(time: Date | undefined): string | null {
  return time === undefined ? null : time.toISOString();
}

function missing({ kind, id }: RdsResource): RahatError {
  return new RahatError('cloud_refused', `Amazon knows no database ${kind} '${id}' there`, { hint: 'Check its name and the region.' });
}
