import type { Finding, PostgresqlConnection } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError } from '../errors.js';
import { readManagedServer } from '../preflight/managed-server.js';
import { physicalFindings } from '../preflight/physical-findings.js';
import { replicationEntryFindings, replicationRoomFindings } from '../preflight/replication-findings.js';
import { readRights } from '../preflight/rights.js';
import { versionFindings } from '../preflight/version-findings.js';

/** What stands in the way of following a server's log, or makes it dangerous for the server. */
export async function followFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  const findings = await settingFindings(connection, signal);
  if (findings.some(({ severity }) => severity === 'blocker')) return findings;
  return [...findings, ...(await replicationEntryFindings(connection, signal))];
}

async function settingFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  await using client = await connectClient(connection, { database: connection.maintenanceDatabase, label: 'rahat-preflight', signal });
  try {
    const rights = await readRights(client);
    const managed = await readManagedServer(client, rights);
    const findings = [...versionFindings(rights), ...physicalFindings(rights, managed)];
    return managed ? findings : [...findings, ...(await replicationRoomFindings(client))];
  } catch (error) {
    throw queryError(error, 'the preflight');
  }
}
