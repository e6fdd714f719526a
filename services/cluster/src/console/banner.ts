import path from 'node:path';
import type { HumanConsole } from '@rahat/installation';
import type { Cluster } from '../cluster.js';
import type { ClusterConfig } from '../config.js';

export function showBanner(out: HumanConsole, cluster: Cluster, config: ClusterConfig, seconds: number): void {
  const place = path.relative(process.cwd(), cluster.dataFolder);
  const data = place.startsWith('..') ? cluster.dataFolder : `./${place}`;
  out.line(`Rahat Backup ${cluster.version} cluster   node ${process.versions.node}   data ${data}   (${seconds.toFixed(1)} s)`);
  const { postgresql, redis, plans } = cluster;
  if (postgresql)
    out.done(`PostgreSQL ${postgresql.version} embedded   ${postgresql.host}:${postgresql.port}`, 'set DATABASE_URL to use your own');
  else out.done('PostgreSQL of DATABASE_URL');
  if (redis) out.done(`queue: Redis ${redis.version}   127.0.0.1:${redis.port}`, 'set REDIS_URL to use your own');
  else out.done(config.RAHAT_QUEUES === 'redis' ? 'queue: Redis of REDIS_URL' : 'queue: PostgreSQL');
  for (const { name, url, metricsUrl, environment } of plans)
    out.done(`${name.padEnd(12)} ${(url ?? `pool ${environment['RAHAT_WORKER_POOL']}`).padEnd(30)} health and metrics ${metricsUrl}`);
  const [gateway, ...others] = plans.filter(({ service }) => service === 'gateway').map(({ url }) => url!);
  out.line();
  if (cluster.setupUrl) out.line(`  Open   ${cluster.setupUrl}   (one use, 30 min)`);
  else out.line(`  Open   ${gateway}`);
  out.line(`  API    ${gateway}/api/docs     too: ${others.join(', ')}`);
  out.line();
  out.line(`Ctrl+C stops everything.   kill -USR2 ${process.pid} restarts each process in turn.`);
}
