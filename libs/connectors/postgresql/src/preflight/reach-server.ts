import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { ConnectorContext, Probe } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { connectClient, streamOf, type DisposableClient } from '../connect.js';
import { systemIdentifier } from '../logical/snapshot-session.js';
import type { RoutedConnection } from '../reach/index.js';
import { readManagedServer, type ManagedServer } from './managed-server.js';
import { readRights, type Rights } from './rights.js';

const TCP_TIMEOUT_MS = 10_000;

type Step = Probe['steps'][number];

/** A server that lets us in, and what it is. */
export interface ReachedServer extends AsyncDisposable {
  client: DisposableClient;
  /** Each rung of the ladder, with its time. */
  steps: Step[];
  encrypted: boolean;
  latencyMs: number;
  rights: Rights;
  managed: ManagedServer | null;
  identity: string;
}

/** Goes up the ladder to a server and tells each rung's time. A rung that can't be passed is the error that is thrown. */
export async function reachServer(connection: RoutedConnection, context: ConnectorContext, label: string): Promise<ReachedServer> {
  const steps: Step[] = [];
  const rung = async <T>(name: string, climb: () => Promise<T>, detail?: (result: T) => string): Promise<T> => {
    const start = performance.now();
    const result = await climb();
    steps.push({ name, ok: true, ms: Math.round(performance.now() - start), detail: detail?.(result) });
    return result;
  };
  // Behind a tunnel names and ports are those of its far end, which was tried when it was opened.
  if (connection.route) steps.push({ name: 'ssh', ok: true, ms: connection.route.openedInMs, detail: connection.ssh?.host });
  // A host that is a folder is a local socket; there is no name and no network to try.
  else if (!connection.host.startsWith('/')) {
    await rung(
      'dns',
      () => resolveHost(connection),
      (address) => address,
    );
    await rung('tcp', () => tryPort(connection, context.signal));
  }
  const client = await rung(
    'login',
    () => connectClient(connection, { database: connection.maintenanceDatabase, label, signal: context.signal }),
    () => connection.user,
  );
  await using leaving = new AsyncDisposableStack();
  leaving.use(client);
  const encrypted = 'encrypted' in streamOf(client);
  steps.splice(-1, 0, {
    name: 'tls',
    ok: encrypted || connection.tls === 'disable' || connection.tls === 'prefer',
    ms: 0,
    detail: encrypted ? 'encrypted' : 'not encrypted',
  });
  const start = performance.now();
  await client.query('SELECT 1');
  const latencyMs = Math.round((performance.now() - start) * 10) / 10;
  const rights = await rung(
    'version',
    () => readRights(client),
    (read) => read.version,
  );
  const managed = await readManagedServer(client, rights);
  const identity = await systemIdentifier(client);
  const stays = leaving.move();
  return {
    client,
    steps,
    encrypted,
    latencyMs,
    rights,
    managed,
    identity,
    [Symbol.asyncDispose]: () => stays.disposeAsync(),
  };
}

async function resolveHost(connection: PostgresqlConnection): Promise<string> {
  try {
    return (await lookup(connection.host)).address;
  } catch (error) {
    throw new RahatError('source_unreachable', `The name '${connection.host}' leads to no address`, {
      cause: error,
      hint: 'Check the spelling and the DNS of the worker.',
    });
  }
}

async function tryPort(connection: PostgresqlConnection, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TCP_TIMEOUT_MS)]);
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: connection.host, port: connection.port, signal: limit });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', (cause) =>
      reject(
        new RahatError(
          'source_unreachable',
          `Nothing answers at ${connection.host}:${connection.port}: ${limit.aborted ? 'no answer in time' : cause.message}`,
          {
            cause,
            hint: 'Check that the server runs, listens on this address (listen_addresses), and that no firewall is between.',
          },
        ),
      ),
    );
  });
}
