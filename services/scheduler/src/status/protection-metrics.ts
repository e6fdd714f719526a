import type { OnModuleInit } from '@nestjs/common';
import { addGauge, type MetricsRegistry } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { Protection } from './database-status.js';
import type { StatusService } from './status.service.js';

const LABELS = ['tenant', 'server', 'database', 'name', 'engine', 'plan'] as const;
/** A scrape every few seconds must not become a load on the database. */
const FRESH_MS = 60_000;

interface Measured {
  name: string;
  help: string;
  of(protection: Protection): number | undefined;
}

const seconds = (moment: Date | null | undefined) => (moment ? moment.getTime() / 1000 : undefined);

/** Moments and not ages, so that an alert is `time() - … > rahat_backup_rpo_seconds`. */
const MEASURED: Measured[] = [
  {
    name: 'rahat_backup_last_success_timestamp_seconds',
    help: 'Of which moment the newest restorable backup holds the state',
    of: ({ newest }) => seconds(newest?.consistentAt),
  },
  {
    name: 'rahat_backup_last_verified_timestamp_seconds',
    help: 'When a test restore last proved a backup that is still there',
    of: ({ lastProvenAt }) => seconds(lastProvenAt),
  },
  {
    name: 'rahat_backup_rpo_seconds',
    help: 'How old the newest backup may become by the schedules of its plan',
    of: ({ allowedAgeMs }) => (allowedAgeMs === null ? undefined : allowedAgeMs / 1000),
  },
];

/** What an alert needs of each protected database. */
export class ProtectionMetrics implements OnModuleInit {
  private look: { at: number; all: ReturnType<StatusService['everywhere']> } | undefined;

  constructor(
    private readonly registry: MetricsRegistry,
    private readonly status: Pick<StatusService, 'everywhere'>,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    for (const { name, help, of } of MEASURED)
      addGauge(this.registry, {
        name,
        help,
        labels: LABELS,
        samples: async () =>
          (await this.fresh()).flatMap(({ organization, protections }) =>
            protections.flatMap((protection) => {
              const value = protection.plan ? of(protection) : undefined;
              return value === undefined ? [] : [{ labels: labelsOf(organization, protection), value }];
            }),
          ),
      });
  }

  private fresh(): ReturnType<StatusService['everywhere']> {
    const now = this.clock.monotonicMs();
    if (this.look && now - this.look.at < FRESH_MS) return this.look.all;
    const all = this.status.everywhere();
    this.look = { at: now, all };
    // What failed is asked again by the next scrape.
    all.catch(() => (this.look = undefined));
    return all;
  }
}

function labelsOf(tenant: string, { server, database, databaseName, engine, plan }: Protection) {
  return { tenant, server, database: database ?? '', name: databaseName, engine, plan: plan!.id };
}
