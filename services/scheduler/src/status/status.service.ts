import type { Principal } from '@rahat/contracts';
import { wholeOrganization, type Tenant, type TenantDatabase, type Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { scheduleOf, type ScheduleRow } from '../plans/schedules.table.js';
import { ALLOWED_DELAY_MS, momentsAt, newestBackups, type Moments, type NewestBackup } from '../protections/protections.table.js';
import type { Settling } from '../protections/settling.js';
import { presentStream, SHOWN_STREAMS, type ShownStreamRow } from '../log-streams/present-stream.js';
import { statusOf, summarize, type Protection } from './database-status.js';
import { longestGapMs } from './longest-gap.js';
import { Standings, type KnownStandings, type Passing, type Standing } from './standings.js';
import { statusText, type StatusText } from './standing-text.js';
import { withStreams } from './stream-status.js';

/** What metrics tell of one organization. */
export interface Protected {
  organization: string;
  protections: Protection[];
  newest: NewestBackup[];
}

export class StatusService {
  private readonly standings = new Standings();

  constructor(
    private readonly database: TenantDatabase,
    private readonly settling: Settling,
    private readonly clock: Clock,
  ) {}

  /** A `Status`, as JSON. */
  async status(principal: Principal): Promise<string> {
    return this.settled(principal, async (transaction, now) => {
      // A database is protected by a plan that covers others too, whoever asks; and what is kept in memory is of the whole organization.
      const lines = await transaction.inWholeOrganization(() => this.linesOf(transaction, principal.organization, now));
      const seen = await seenBy(transaction, principal);
      const databases = lines.flatMap(({ standing, passing }) => (seen.has(standing) ? seen.told(standing, passing, now) : []));
      const streams = (
        await transaction.query<ShownStreamRow>(
          `${SHOWN_STREAMS} WHERE log_streams.state <> 'stopped' ORDER BY servers.name, log_streams.id`,
        )
      ).map((row) => presentStream(row, now));
      const summary = JSON.stringify(withStreams(summarize(databases, now), streams)).slice(0, -1);
      const told = databases.map(({ json }) => json).join(',');
      return `${summary},"databases":[${told}],"streams":${JSON.stringify(streams)},"at":${JSON.stringify(now)}}`;
    });
  }

  /** Of all organizations, for the metrics. */
  async everywhere(): Promise<Protected[]> {
    const organizations = await this.database.asSystem('measure the protection of every database', (transaction) =>
      transaction.query<{ id: string }>(`SELECT DISTINCT organization_id AS id FROM servers WHERE deleted_at IS NULL`),
    );
    const all: Protected[] = [];
    for (const { id: organization } of organizations)
      all.push(
        await this.settled(wholeOrganization(organization), async (transaction, now) => ({
          organization,
          protections: (await this.linesOf(transaction, organization, now)).map(({ standing, passing }) => ({
            ...standing.protection,
            ...passing,
          })),
          newest: await newestBackups(transaction, organization),
        })),
      );
    return all;
  }

  private async settled<T>(tenant: Tenant, read: (transaction: Transaction, now: Date) => Promise<T>): Promise<T> {
    await this.settling.settle(tenant.organization);
    return this.database.inOrganization(tenant, (transaction) => read(transaction, this.clock.now()));
  }

  private async linesOf(transaction: Transaction, organization: string, now: Date): Promise<{ standing: Standing; passing: Passing }[]> {
    const { standings, parts } = await this.standings.of(transaction, organization);
    const allowed = allowedAges(parts, now);
    const kept = standings.flatMap((standing) => standing.kept ?? []);
    const moments = await momentsAt(transaction, kept, now);
    let place = 0;
    return standings.map((standing) => ({
      standing,
      passing: passingOf(standing, standing.kept && moments[place++], allowed),
    }));
  }
}

/** Which lines somebody may know of, and how they are told. */
interface Seen {
  has(standing: Standing): boolean;
  told(standing: Standing, passing: Passing, now: Date): StatusText;
}

async function seenBy(transaction: Transaction, { serverGroups }: Tenant): Promise<Seen> {
  if (serverGroups === null) return { has: () => true, told: statusText };
  const idsIn = async (table: 'servers' | 'plans') =>
    new Set((await transaction.query<{ id: string }>(`SELECT id FROM ${table} WHERE deleted_at IS NULL`)).map(({ id }) => id));
  const servers = await idsIn('servers');
  const plans = await idsIn('plans');
  return {
    has: ({ protection }) => servers.has(protection.server),
    told: ({ protection }, passing, now) => {
      const status = statusOf({ ...protection, ...passing }, now);
      // A plan of more servers may bear the names of others.
      const known = status.plan === null || plans.has(status.plan) ? status : { ...status, planName: null };
      return { ...known, json: JSON.stringify(known) };
    },
  };
}

function passingOf({ protection: { plan } }: Standing, moments: Moments | undefined, allowed: ReadonlyMap<string, number | null>): Passing {
  return {
    nextRunAt: plan?.enabled ? dateOf(moments?.next_at) : null,
    lastDueAt: dateOf(moments?.last_due_at),
    allowedAgeMs: plan && allowed.get(plan.id)!,
  };
}

/** Thousands of plans share a few schedules. */
function allowedAges({ plans, schedules }: KnownStandings['parts'], now: Date): Map<string, number | null> {
  const known = new Map<string, number | null>();
  const ageBy = (rows: readonly ScheduleRow[]): number | null => {
    const key = rows.map(({ cron, time_zone }) => `${cron} ${time_zone}`).join();
    if (!known.has(key)) {
      const gap = longestGapMs(rows.map(scheduleOf), now);
      known.set(key, gap === null ? null : gap + ALLOWED_DELAY_MS);
    }
    return known.get(key)!;
  };
  return new Map(plans.map((plan) => [plan.id, plan.enabled ? ageBy(schedules.get(plan.id) ?? []) : null]));
}

function dateOf(milliseconds: number | null | undefined): Date | null {
  return milliseconds === null || milliseconds === undefined ? null : new Date(milliseconds);
}
