import type { Connector } from '@rahat/connector-kit';
import type { startThrowawayServer as startServer, ThrowawayServer } from '@rahat/connector-postgresql';
import type { Engine, PostgresqlConnection } from '@rahat/contracts';

/** Grows into a union with the engines. */
export type SourceConnection = PostgresqlConnection;

/** The registry of engines: one line each, loaded when first needed, so that a short CLI call doesn't pay for it. */
export async function connectorFor(engine: Engine): Promise<Connector<SourceConnection>> {
  switch (engine) {
    case 'postgresql':
      return (await import('@rahat/connector-postgresql')).postgresqlConnector;
  }
}

/** The programs of each engine that this machine has, by version. */
export async function listTools(toolFolders: readonly string[]) {
  return (await import('@rahat/connector-postgresql')).findTools(toolFolders);
}

/** Stops and removes throwaway servers whose run has died. Gives their folders. */
export async function removeThrowawayLeftovers(scratchRoot: string): Promise<string[]> {
  return (await import('@rahat/connector-postgresql')).removeThrowawayLeftovers(scratchRoot);
}

/** A private database server, empty or on a restored folder; disposing stops it and removes its own files. */
export async function startThrowawayServer(options: Parameters<typeof startServer>[0]): Promise<ThrowawayServer> {
  return (await import('@rahat/connector-postgresql')).startThrowawayServer(options);
}
