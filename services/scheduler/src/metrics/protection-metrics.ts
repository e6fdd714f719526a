import type { TenantDatabase } from '@rahat/persistence';
import { loadedGauge, remembered, type GaugeSample, type Registry } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { NewestBackup } from '../protections/protections.table.js';
import type { Protection } from '../status/database-status.js';
import type { Protected, StatusService } from '../status/status.service.js';

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

interface BackedUpDatabase extends LabelledDatabase {
  backup: NewestBackup;
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
  constructor(
    database: TenantDatabase,
    status: Pick<StatusService, 'everywhere'>,
    private readonly registry: Registry,
    clock: Clock,
  ) {
    const now = () => clock.now().getTime();
    const known = remembered(async () => (await status.everywhere()).map(labelled), HOLD_MS, now);
    const protections = async () => (await known()).flatMap((organization) => organization.protections);
    const backups = async () => (await known()).flatMap((organization) => organization.backups);
    const states = remembered(
      () => database.asSystem('tell metrics of runs', (transaction) => transaction.query<StateLine>(UNFINISHED)),
      HOLD_MS,
      now,
    );
    const perPlan = (name: string, help: string, seconds: (protection: Protection) => number | null | undefined) =>
      this.perDatabase(name, help, ['plan'], protections, ({ plan, protection }) => {
        const value = seconds(protection);
        return value === null || value === undefined ? [] : [{ labels: { plan }, value }];
      });
    perPlan(
      'rahat_backup_last_success_timestamp_seconds',
      'Of which moment the newest whole backup that is still there holds the state',
      ({ newest }) => newest && newest.consistentAt.getTime() / 1000,
    );
    perPlan(
      'rahat_backup_last_verified_timestamp_seconds',
      'When a test restore last proved a backup that is still there',
      ({ lastProvenAt }) => lastProvenAt && lastProvenAt.getTime() / 1000,
    );
    perPlan(
      'rahat_backup_rpo_seconds',
      'How old the newest backup may become by the schedules of its plan',
      ({ allowedAgeMs }) => allowedAgeMs && allowedAgeMs / 1000,
    );
    this.perDatabase(
      'rahat_backup_size_bytes',
      'Size of the newest whole backup: of its data, and of what it added to the repository',
      ['kind'],
      backups,
      ({ backup }) => [
        { labels: { kind: 'raw' }, value: Number(backup.size_bytes) },
        { labels: { kind: 'stored' }, value: Number(backup.added_bytes) },
      ],
    );
    loadedGauge(registry, {
      name: 'rahat_runs_unfinished',
      help: 'Runs that are due, queued or running',
      labelNames: ['type', 'state'],
      samples: async () => (await states()).map(({ type, state, runs }) => ({ labels: { type, state }, value: Number(runs) })),
    });
  }

  private perDatabase<T extends LabelledDatabase>(
    name: string,
    help: string,
    moreLabels: string[],
    load: () => Promise<T[]>,
    valuesOf: (of: T) => GaugeSample[],
  ): void {
    loadedGauge(this.registry, {
      name,
      help,
      labelNames: [...LABELS, ...moreLabels],
      samples: async () =>
        (await load()).flatMap((of) => {
          const own = Object.fromEntries(LABELS.map((label) => [label, of[label]]));
          return valuesOf(of).map(({ labels, value }) => ({ labels: { ...own, ...labels }, value }));
        }),
    });
  }
}

function labelled({ organization, protections, newest }: Protected): { protections: ProtectedDatabase[]; backups: BackedUpDatabase[] } {
  return {
    protections: protections.flatMap((protection) => {
      const { server: server_id, serverName: server, databaseName: database, engine, plan } = protection;
      const named = { organization, server_id, server, database_id: protection.database ?? '', database, engine };
      return plan ? [{ ...named, plan: plan.id, protection }] : [];
    }),
    backups: newest.map((backup) => {
      const { server_id, server, database_id, database, engine } = backup;
      return { organization, server_id, server, database_id, database, engine, backup };
    }),
  };
}

const UNFINISHED = `SELECT type, state, count(*) AS runs FROM runs WHERE state IN ('due', 'queued', 'running') GROUP BY type, state`;
