import type { ServiceDatabase } from '@rahat/persistence';
import { Gauge, remembered, type Registry } from '@rahat/service-kit';
import type { Protection } from '../status/database-status.js';
import type { StatusService } from '../status/status.service.js';

interface LabelledDatabase {
  organization: string;
  server_id: string;
  server: string;
  database_id: string;
  database: string;
  engine: string;
}

/** One database (or whole server) under one plan. */
interface ProtectedDatabase extends LabelledDatabase {
  plan: string;
  protection: Protection;
}

/** The newest whole backup of a database (or whole server). */
interface NewestBackup extends LabelledDatabase {
  size_bytes: string;
  added_bytes: string;
}

interface StateLine {
  type: string;
  state: string;
  runs: string;
}

const HOLD_MS = 30_000;
const LABELS = ['organization', 'server_id', 'server', 'database_id', 'database', 'engine'] as const satisfies (keyof LabelledDatabase)[];

/** What the ledger and the catalog say at a scrape; each scheduler says the same. Moments and not ages, so that an alert is `time() - …`. */
export class ProtectionMetrics {
  private readonly gauges: Gauge<string>[];

  constructor(database: ServiceDatabase, status: Pick<StatusService, 'everywhere'>) {
    const protections = remembered(() => protectedDatabases(status), HOLD_MS);
    const backups = remembered(
      () => database.asSystem('tell metrics of backups', (transaction) => transaction.query<NewestBackup>(NEWEST_BACKUPS)),
      HOLD_MS,
    );
    const states = remembered(
      () => database.asSystem('tell metrics of runs', (transaction) => transaction.query<StateLine>(UNFINISHED)),
      HOLD_MS,
    );
    const perPlan = (name: string, help: string, seconds: (protection: Protection) => number | null | undefined) =>
      perDatabase(name, help, ['plan'], protections, ({ plan, protection }) => {
        const value = seconds(protection);
        return value === null || value === undefined ? [] : [{ labels: { plan }, value }];
      });
    this.gauges = [
      perPlan(
        'rahat_backup_last_success_timestamp_seconds',
        'Of which moment the newest whole backup that is still there holds the state',
        ({ newest }) => newest && newest.consistentAt.getTime() / 1000,
      ),
      perPlan(
        'rahat_backup_last_verified_timestamp_seconds',
        'When a test restore last proved a backup that is still there',
        ({ lastProvenAt }) => lastProvenAt && lastProvenAt.getTime() / 1000,
      ),
      perPlan(
        'rahat_backup_rpo_seconds',
        'How old the newest backup may become by the schedules of its plan',
        ({ allowedAgeMs }) => allowedAgeMs && allowedAgeMs / 1000,
      ),
      perDatabase(
        'rahat_backup_size_bytes',
        'Size of the newest whole backup: of its data, and of what it added to the repository',
        ['kind'],
        backups,
        (backup) => [
          { labels: { kind: 'raw' }, value: Number(backup.size_bytes) },
          { labels: { kind: 'stored' }, value: Number(backup.added_bytes) },
        ],
      ),
      new Gauge({
        name: 'rahat_runs_unfinished',
        help: 'Runs that are due, queued or running',
        labelNames: ['type', 'state'],
        registers: [],
        async collect() {
          const found = await states();
          this.reset();
          for (const { type, state, runs } of found) this.set({ type, state }, Number(runs));
        },
      }),
    ];
  }

  registerIn(registry: Registry): this {
    for (const gauge of this.gauges) registry.registerMetric(gauge);
    return this;
  }
}

function perDatabase<T extends LabelledDatabase>(
  name: string,
  help: string,
  moreLabels: string[],
  load: () => Promise<T[]>,
  valuesOf: (of: T) => { labels: Record<string, string>; value: number }[],
): Gauge<string> {
  return new Gauge({
    name,
    help,
    labelNames: [...LABELS, ...moreLabels],
    registers: [],
    async collect() {
      const found = await load();
      this.reset();
      for (const of of found) {
        const own = Object.fromEntries(LABELS.map((label) => [label, of[label]]));
        for (const { labels, value } of valuesOf(of)) this.set({ ...own, ...labels }, value);
      }
    },
  });
}

async function protectedDatabases(status: Pick<StatusService, 'everywhere'>): Promise<ProtectedDatabase[]> {
  return (await status.everywhere()).flatMap(({ organization, protections }) =>
    protections.flatMap((protection) => {
      const { server: server_id, serverName: server, databaseName: database, engine, plan } = protection;
      const named = { organization, server_id, server, database_id: protection.database ?? '', database, engine };
      return plan ? [{ ...named, plan: plan.id, protection }] : [];
    }),
  );
}

const NEWEST_BACKUPS = `
  SELECT DISTINCT ON (backups.server_id, backups.database_id) backups.organization_id AS organization, backups.server_id, servers.name AS server,
    servers.engine, COALESCE(backups.database_id, '') AS database_id, COALESCE(backups.database_name, 'whole server') AS database,
    backups.size_bytes, backups.added_bytes
  FROM backups JOIN servers ON servers.id = backups.server_id
  WHERE backups.state = 'succeeded' AND backups.removal_requested_at IS NULL AND backups.proof <> 'damaged' AND servers.deleted_at IS NULL
  ORDER BY backups.server_id, backups.database_id, backups.created_at DESC`;

const UNFINISHED = `SELECT type, state, count(*) AS runs FROM runs WHERE state IN ('due', 'queued', 'running') GROUP BY type, state`;
