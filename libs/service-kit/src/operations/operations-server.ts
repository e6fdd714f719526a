import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

/** Fails by rejecting. */
export type ReadinessCheck = () => Promise<unknown>;

export interface OperationsServerParts {
  /** What requests need, by name: database, queues. */
  checks: Record<string, ReadinessCheck>;
  registry: Registry;
  /** Further Prometheus text, as that of the queues. */
  moreMetrics: (() => Promise<string>)[];
  isStarted: () => boolean;
  isDraining: () => boolean;
}

const CHECK_TIMEOUT_MS = 3_000;

/** `/livez`, `/readyz`, `/startupz` and `/metrics`, on a port that the public doesn't reach (design.md §10). */
export function createOperationsServer(parts: OperationsServerParts): Server {
  return createServer((request, response) => {
    answer(request.url?.split('?')[0] ?? '/', response, parts).catch(() => response.writableEnded || response.writeHead(500).end());
  });
}

async function answer(path: string, response: ServerResponse, parts: OperationsServerParts): Promise<void> {
  switch (path) {
    case '/livez':
      return reply(response, 200, { status: 'ok' });
    case '/startupz':
      return reply(response, parts.isStarted() ? 200 : 503, { status: parts.isStarted() ? 'ok' : 'starting' });
    case '/readyz': {
      const checks = await runChecks(parts.checks);
      const ready = parts.isStarted() && !parts.isDraining() && Object.values(checks).every((state) => state === 'ok');
      return reply(response, ready ? 200 : 503, { status: ready ? 'ok' : parts.isDraining() ? 'draining' : 'not ready', checks });
    }
    case '/metrics': {
      // One source that is away must not hide the others.
      const more = await Promise.all(parts.moreMetrics.map((source) => source().catch(() => '')));
      response.writeHead(200, { 'content-type': parts.registry.contentType });
      response.end([await parts.registry.metrics(), ...more].join('\n'));
      return;
    }
    default:
      return reply(response, 404, { status: 'not found' });
  }
}

async function runChecks(checks: Record<string, ReadinessCheck>): Promise<Record<string, 'ok' | 'failed'>> {
  const states = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const timeout = new Promise<never>((_resolve, reject) => setTimeout(() => reject(new Error('too slow')), CHECK_TIMEOUT_MS).unref());
      return [
        name,
        await Promise.race([check(), timeout]).then(
          () => 'ok' as const,
          () => 'failed' as const,
        ),
      ] as const;
    }),
  );
  return Object.fromEntries(states);
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
