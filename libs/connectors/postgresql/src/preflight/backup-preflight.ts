import type { BackupRequest, ConnectorContext } from '@rahat/connector-kit';
import { type Finding, RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError } from '../errors.js';
import type { RoutedConnection } from '../reach/index.js';
import { accessFindings } from './access-findings.js';
import { contentFindings } from './content-findings.js';
import { readManagedServer } from './managed-server.js';
import { physicalFindings } from './physical-findings.js';
import { poolerFindings } from './pooler-findings.js';
import { readRights } from './rights.js';
import { typeFindings } from './type-findings.js';
import { toolFindings, versionFindings } from './version-findings.js';

/** What would make the backup fail or lack something, with the SQL that cures it. */
export async function preflight(connection: RoutedConnection, request: BackupRequest, context: ConnectorContext): Promise<Finding[]> {
  const database = request.method === 'postgresql.logical' ? request.database : connection.maintenanceDatabase;
  if (database === undefined) throw new RahatError('invalid_input', 'A logical backup needs the name of a database');
  const options = { database, label: request.label, signal: context.signal };
  await using client = await connectClient(connection, options);
  try {
    const rights = await readRights(client);
    const managed = await readManagedServer(client, rights);
    const findings: Finding[] = versionFindings(rights);
    if (request.method === 'postgresql.physical')
      return [...findings, ...physicalFindings(rights, managed), ...typeFindings(rights, request.type)];
    findings.push(...(await toolFindings(rights.major, context.toolFolders)), ...(await poolerFindings(client, connection, options)));
    return [...findings, ...(await accessFindings(client, rights, managed)), ...(await contentFindings(client, rights))];
  } catch (error) {
    throw queryError(error, 'the preflight');
  }
}
