import type { Principal } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { scheduleOf, type ScheduleRow } from '../plans/schedules.table.js';
import { ALLOWED_DELAY_MS, momentsAt, newestBackups, type Moments, type NewestBackup } from '../protections/protections.table.js';
import type { Settling } from '../protections/settling.js';
import { presentStream, SHOWN_STREAMS, type ShownStreamRow } from '../log-streams/present-stream.js';
import { summarize, type Protection } from './database-status.js';
import { longestGapMs } from './longest-gap.js';
import { Standings, type KnownStandings, type Passing, type Standing } from './standings.js';
import { statusText } from './standing-text.js';
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
    private readonly database: ServiceDatabase,
    private readonly settling: Settling,
    private readonly clock: Clock,
  ) {}

  /** A `Status`, as JSON. */
  async status({ organization }: Principal): Promise<string> {
    return this.settled(organization, async (transaction, now) => {
      const databases = (await this.linesOf(transaction, organization, now)).map(({ standing, passing }) =>
        statusText(standing, passing, now),
      );
      const streams = (
        await transaction.query<ShownStreamRow>(
          `${SHOWN_STREAMS} WHERE log_streams.state <> 'stopped' ORDER BY servers.name, log_streams.id`,
        )
      ).map((row) => presentStream(row, now));
      const summary = JSON.stringify(withStreams(summarize(databases, now), streams)).slice(0, -1);
      const lines = databases.map(({ json }) => json).join(',');
      return `${summary},"databases":[${lines}],"streams":${JSON.stringify(streams)},"at":${JSON.stringify(now)}}`;
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
        await this.settled(organization, async (transaction, now) => ({
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

  private async settled<T>(organization: string, read: (transaction: Transaction, now: Date) => Promise<T>): Promise<T> {
    await this.settling.settle(organization);
    return this.database.inOrganization(organization, (transaction) => read(transaction, this.clock.now()));
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
