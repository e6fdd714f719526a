import { Counter, type Registry } from '@rahat/service-kit';

export interface ConnectionReports {
  /** A client has too many connections. */
  refused(): void;
  /** A client took nothing of its answer. */
  stalled(): void;
}

export function connectionMetrics(registry: Registry): ConnectionReports {
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers: [registry] });
  const refusals = counter('rahat_gateway_refused_connections_total', 'Connections of addresses that had too many');
  const stalls = counter('rahat_gateway_stalled_readers_total', 'Connections that were cut off because nobody took the answer');
  return { refused: () => refusals.inc(), stalled: () => stalls.inc() };
}
