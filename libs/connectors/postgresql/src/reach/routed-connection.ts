import type { PostgresqlConnection } from '@rahat/contracts';

/** A connection as it is dialled: through a tunnel its name stays, for certificates and messages, and the socket goes elsewhere. */
export interface RoutedConnection extends PostgresqlConnection {
  /** The near end of a tunnel. */
  route?: { host: string; port: number; openedInMs: number };
}

export function dialled({ host, port, route }: RoutedConnection): { host: string; port: number } {
  return route ? { host: route.host, port: route.port } : { host, port };
}
