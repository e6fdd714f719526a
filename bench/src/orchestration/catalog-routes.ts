import { catalogId } from '@rahat/service-scheduler/testing';
import type { Catalog } from './scheduler.js';

/** What a dashboard asks for, and how many rows there must be for the measurement to mean anything. */
export interface CatalogRoute {
  name: string;
  path: string;
  rows: { least: number };
}

const HOUR_MS = 3_600_000;

/** Everything that `fillCatalog` made is asked for by each filter: the rare, the frequent and what is not there. */
export function catalogRoutes({ servers, databases, backups }: Catalog): CatalogRoute[] {
  const now = Date.now();
  const agoHours = (hours: number) => encodeURIComponent(new Date(now - hours * HOUR_MS).toISOString());
  const [server, database, plan] = [
    catalogId('server', servers >> 1),
    catalogId('database', databases >> 1),
    catalogId('plan', servers >> 1),
  ];
  const hours = backups / databases;
  const oldest = `until=${agoHours(hours * 0.98)}`;
  const page = 50;
  const route = (name: string, path: string, least = 1): CatalogRoute => ({ name, path: `/api/v2/${path}`, rows: { least } });
  return [
    route('status of all databases', 'status', databases),
    route('servers', 'servers', page),
    route('servers by a word', 'servers?q=host7'),
    route('servers by a tag', 'servers?tag=env=prod'),
    route('plans', 'plans', page),
    route('databases of a server', `servers/${server}/databases`),
    route('backups', 'backups', page),
    route('backups with the removed', 'backups?removed=true', page),
    route('the oldest backups', `backups?${oldest}`, page),
    route('backups of a time', `backups?since=${agoHours(hours / 2)}&until=${agoHours(hours / 2 - 1)}`, page),
    route('backups of a server', `backups?server=${server}`, page),
    route('backups of a database', `backups?database=${database}`, page),
    route('backups of a plan', `backups?plan=${plan}`, page),
    route('backups of a repository', 'backups?repository=repository_known', page),
    route('partial backups', 'backups?state=partial', page),
    route('proven backups', 'backups?proof=FULL', page),
    route('damaged backups (none)', 'backups?proof=damaged', 0),
    route('full backups', 'backups?type=full', page),
    route('log backups (none)', 'backups?type=log', 0),
    route('backups by a tag and its value', 'backups?tag=release=7'),
    route('backups by a tag', 'backups?tag=release', page),
    route('proven backups of a server, the oldest', `backups?server=${server}&proof=FULL&${oldest}`, 0),
    route('partial backups of a database', `backups?database=${database}&state=partial`, 0),
    route('backups by a rare word', `backups?q=orders_${databases >> 1}`, page),
    route('backups by a word that few have', `backups?q=snapshot_${backups >> 1}`),
    route('backups by the beginning of a word', 'backups?q=orders%2012', page),
    route('backups by a word that all have', 'backups?q=orders', page),
    route('backups by a word that all have, the oldest', `backups?q=orders&${oldest}`, page),
    route('backups by a word that none has', 'backups?q=zebra', 0),
    route('runs', 'runs', page),
    route('the oldest runs', `runs?${oldest}`, page),
    route('expected runs', 'runs?state=expected', page),
    route('succeeded runs', 'runs?state=succeeded', page),
    route('failed runs (none)', 'runs?state=failed', 0),
    route('runs of a type', 'runs?type=backup', page),
    route('restores (none)', 'runs?type=restore', 0),
    route('runs of a server', `runs?server=${server}`, page),
    route('runs of a database', `runs?database=${database}`, page),
    route('runs of a plan', `runs?plan=${plan}`, page),
    route('runs by a tag', 'runs?tag=release=7'),
    route('runs by a rare word', `runs?q=orders_${databases >> 1}`, page),
    route('runs by a word that all have', 'runs?q=orders', page),
    route('all lists by a word', `search?q=orders_${databases >> 1}`),
    route('the trash', 'trash', 0),
  ];
}
