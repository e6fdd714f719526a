import type { RdsResource } from './managed-snapshots.js';

const IN_HOST = [
  /\.([a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})\.rds\.amazonaws\.com(?:\.cn)?$/i,
  // China names them the other way round.
  /\.rds\.([a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})\.amazonaws\.com\.cn$/i,
];

const RESOURCE_IN_HOST = /^([a-z][a-z0-9-]*)\.(cluster-(?:ro-)?)?([a-z0-9]+)\.[a-z0-9-]+\.(?:rds|[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/i;

/** The instance or cluster that such a name is of; undefined for proxies and for endpoints that somebody made of a cluster. */
export function resourceOfRdsHost(host: string): RdsResource | undefined {
  const [, id, cluster] = RESOURCE_IN_HOST.exec(host) ?? [];
  if (id === undefined || regionOfRdsHost(host) === undefined) return undefined;
  return { kind: cluster === undefined ? 'instance' : 'cluster', id: id.toLowerCase() };
}

/** The region that Amazon's own name of a database server tells; undefined where the host is called otherwise. */
export function regionOfRdsHost(host: string): string | undefined {
  for (const pattern of IN_HOST) {
    const region = pattern.exec(host)?.[1];
    if (region !== undefined) return region.toLowerCase();
  }
  return undefined;
}
