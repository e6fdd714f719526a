import type { NextFunction, Request, Response } from 'express';
import client from 'prom-client';
import { measureEventLoop } from './event-loop.js';

export { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The process's metrics; services register theirs in it, never in the library's global one. */
export const METRICS = Symbol('rahat.metrics');

/** Of the library: `promtool check metrics` has something against their names, or we measure the same with fewer looks. */
const UNWANTED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_summary',
  'nodejs_eventloop_utilization_histogram',
  ...['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'].map((part) => `nodejs_eventloop_lag${part}_seconds`),
];
/** The library's timers for what is unwanted can't be left out; a process at rest isn't woken by them. */
const NEVER_MS = 2 ** 31 - 1;

export function createMetrics(service: string, version: string): client.Registry {
  const registry = new client.Registry();
  const watched = { register: registry, eventLoopMonitoringPrecision: NEVER_MS, eventLoopUtilizationTimeout: NEVER_MS };
  client.collectDefaultMetrics(watched);
  for (const name of UNWANTED) registry.removeSingleMetric(name);
  measureEventLoop(registry);
  new client.Gauge({
    name: 'rahat_build_info',
    help: 'Version of this process',
    labelNames: ['service', 'version'],
    registers: [registry],
  }).set({ service, version }, 1);
  return registry;
}

export function measureRequests(registry: client.Registry): (request: Request, response: Response, next: NextFunction) => void {
  const duration = new client.Histogram({
    name: 'rahat_http_request_duration_seconds',
    help: 'Time from the request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  return (request, response, next) => {
    const end = duration.startTimer();
    // The route's pattern, not the path: ids would make a series each.
    response.once('finish', () =>
      end({
        method: request.method,
        route: String((request.route as { path?: unknown } | undefined)?.path ?? 'none'),
        status: response.statusCode,
      }),
    );
    next();
  };
}
