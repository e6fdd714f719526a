import { setTimeout as delay } from 'node:timers/promises';
import type { BackupUserRequest, ConnectorContext } from '@rahat/connector-kit';
import { type MadeBackupUser, type PreflightReport, RahatError } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';
import { lacksRight, queryError } from '../errors.js';
import { systemIdentifier } from '../logical/snapshot-session.js';
import { type ManagedServer, readManagedServer } from '../preflight/managed-server.js';
import { preflightReport } from '../preflight/report.js';
import { readRights } from '../preflight/rights.js';
import { versionFindings } from '../preflight/version-findings.js';
import type { RoutedConnection } from '../reach/index.js';
import { applyCures } from './apply-cures.js';
import { findRole, LABEL } from './found-role.js';
import { grantRights } from './grant-rights.js';
import { removeBackupUser } from './remove-backup-user.js';

/** Taking a half-made role back goes on after the work itself was stopped. */
const UNDO_LIMIT_MS = 20_000;
/** Without them the user is none: what was made is taken back. */
const NEEDED = new Set(['select_right_missing', 'replication_right_missing']);

/**
 * Makes a role that reads everything and changes nothing, looks at the server as that role, and takes the role back unless it can do
 * what it is for. `admin` is the connection of who may create roles.
 */
export async function makeBackupUser(
  admin: RoutedConnection,
  request: BackupUserRequest,
  context: ConnectorContext,
): Promise<MadeBackupUser> {
  await using client = await connectClient(admin, { database: admin.maintenanceDatabase, label: LABEL, signal: context.signal });
  const { create: created, ...server } = await prepared(client, admin, request, context);
  try {
    const notGranted = await grantRights(client, admin, request, { create: created, ...server, signal: context.signal });
    const user = { ...admin, user: request.name, password: request.password };
    const report = await provenReport(user, admin, request, context);
    return { user: request.name, created, notGranted, report };
  } catch (error) {
    const failure = context.signal.aborted ? RahatError.from(context.signal.reason) : makingError(error);
    // What is still open here would hold up what takes the role away.
    await client.query('ROLLBACK').catch(() => undefined);
    if (created) await undo(admin, request, failure);
    throw failure;
  }
}

/** `create`: the role is not there. Whatever speaks against the work is found before anything is changed. */
async function prepared(
  client: DisposableClient,
  admin: RoutedConnection,
  { name, uses, mark, keepPassword, identity }: BackupUserRequest,
  { signal }: ConnectorContext,
): Promise<{ create: boolean; major: number; managed: ManagedServer | null }> {
  try {
    await takeTurn(client, name);
    const rights = await readRights(client);
    const [unsupported] = versionFindings(rights).filter(({ severity }) => severity === 'blocker');
    if (unsupported) throw new RahatError('source_unsupported', unsupported.message, { hint: unsupported.fix });
    const seen = await systemIdentifier(client);
    if (identity !== null && identity !== seen)
      throw new RahatError('conflict', `Another server answers at this address: its identity is ${seen}, recorded is ${identity}`, {
        hint: 'If that is right, save the address again.',
      });
    const managed = await readManagedServer(client, rights);
    if (managed && uses.some((use) => use !== 'logical'))
      throw new RahatError('source_unsupported', `${managed.title} lets nobody take base backups or follow the log`, {
        hint: 'Make the user for logical backups only.',
      });
    if (rights.recovery)
      throw new RahatError('source_unsupported', 'This server is a replica: it takes no new roles', {
        hint: 'Make the user on its primary; replicas have it then too.',
      });
    const role = await findRole(client, name);
    const server = { major: rights.major, managed };
    if (!role) return { create: true, ...server };
    if (role.superuser)
      throw new RahatError('conflict', `'${name}' is a superuser, and no user that only reads`, { hint: 'Name another one to be made.' });
    if (keepPassword) return { create: false, ...server };
    if (role.mark !== mark)
      throw new RahatError('conflict', `There is a role '${name}' on the server already, which was not made for this`, {
        hint: 'Choose another name; the role may be in use.',
      });
    // Left by an attempt that nobody heard the end of.
    await removeBackupUser(admin, name, mark, signal);
    return { create: true, ...server };
  } catch (error) {
    signal.throwIfAborted();
    throw queryError(error, 'preparing the backup user');
  }
}

/** Two that make the same role at once would take away each other's. Held by the connection. */
async function takeTurn(client: DisposableClient, name: string): Promise<void> {
  const { rows } = await client.query<{ mine: boolean }>(
    `SELECT pg_try_advisory_lock(hashtextextended('rahat backup user ' || $1, 0)) AS mine`,
    [name],
  );
  if (!rows[0]?.mine)
    throw new RahatError('conflict', `The user '${name}' is being made by somebody else just now`, { hint: 'Wait for them to end.' });
}

/** Logs in as the user, lets it look, gives it what only shows then, and looks again. */
async function provenReport(
  user: RoutedConnection,
  admin: RoutedConnection,
  { uses }: BackupUserRequest,
  context: ConnectorContext,
): Promise<PreflightReport> {
  const look = () => preflightReport(user, { uses: [...uses] }, context);
  const first = await look();
  const report = (await applyCures(admin, first, context.signal)) ? await look() : first;
  const missing = report.findings.find(({ code }) => NEEDED.has(code));
  if (!missing) return report;
  const where = missing.database === undefined ? '' : ` of database '${missing.database}'`;
  throw new RahatError(
    'source_permission_denied',
    `The administrator could not give the backup user all it needs${where}: ${missing.message}`,
    {
      hint: missing.fix === undefined ? undefined : `A superuser may run: ${missing.fix}`,
    },
  );
}

function makingError(error: unknown): RahatError {
  if (!lacksRight(error)) return queryError(error, 'making the backup user');
  return new RahatError('source_permission_denied', `The administrator may not make the backup user: ${(error as Error).message}`, {
    cause: error,
    hint: 'He needs to be a superuser, or at least CREATEROLE; REPLICATION can only be given by who has it.',
  });
}

async function undo(admin: RoutedConnection, { name, mark }: BackupUserRequest, failure: RahatError): Promise<void> {
  const limit = AbortSignal.timeout(UNDO_LIMIT_MS);
  for (let pauseMs = 200; ; pauseMs *= 2) {
    try {
      await removeBackupUser(admin, name, mark, limit);
      return;
    } catch (error) {
      // A server that restarts is back in a moment; what it refuses it refuses again.
      const { retryable } = RahatError.from(error);
      if (retryable && !limit.aborted) {
        await delay(pauseMs);
        continue;
      }
      throw new RahatError(failure.code, `${failure.message}. The role '${name}' could not be taken away again`, {
        cause: failure,
        hint: 'The next attempt replaces it. To take it away by hand: DROP OWNED BY and DROP ROLE.',
      });
    }
  }
}
