import { RahatError, type ExplainScheduleQuery, type Principal, type ScheduleExplanation } from '@rahat/contracts';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { mistaken } from '../input/mistake.js';
import { findServer } from '../servers/servers.table.js';
import { metClockChanges, type MetClockChange } from './clock-changes.js';
import { selectsServer } from './plan-servers.js';
import { type PlanRow } from './plans.table.js';
import { inWords, mistakesIn, nextOccurrences, occurrencesBetween, type Schedule } from './schedule.js';
import { scheduleOf, schedulesOf } from './schedules.table.js';

const NEXT_RUNS = 5;
const YEAR_MS = 366 * 86_400_000;
/** Two backups that begin this close to each other meet on the server. */
const CLOSE_MS = 15 * 60_000;
const MOST_COLLISIONS = 50;

/** Says what a schedule means before anybody relies on it. */
export class ScheduleExplanations {
  constructor(
    private readonly database: TenantDatabase,
    private readonly clock: Clock,
  ) {}

  async explain(principal: Principal, query: ExplainScheduleQuery): Promise<ScheduleExplanation> {
    const now = this.clock.now();
    const schedule = { cron: query.cron, timeZone: query.timeZone };
    const mistakes = mistakesIn(schedule, now);
    if (mistakes.length > 0) throw mistaken(...mistakes);
    const next = nextOccurrences(schedule, now, NEXT_RUNS);
    return {
      ...schedule,
      inWords: inWords(schedule, query.language),
      nextRuns: next.map((at) => at.toISOString()),
      clockChanges: metClockChanges(schedule, now, new Date(now.getTime() + YEAR_MS)).map((change) =>
        present(change, schedule, query.language),
      ),
      collisions: query.server
        ? await this.database.inOrganization(principal, (transaction) => collisionsOn(transaction, query.server!, query.plan, next))
        : [],
    };
  }
}

async function collisionsOn(
  transaction: Transaction,
  serverId: string,
  own: string | undefined,
  times: Date[],
): Promise<ScheduleExplanation['collisions']> {
  const server = await findServer(transaction, serverId).catch((error: unknown) => {
    throw error instanceof RahatError && error.code === 'not_found' ? mistaken({ pointer: '/server', message: error.message }) : error;
  });
  const plans = await transaction.query<PlanRow>(
    `SELECT * FROM plans WHERE enabled AND deleted_at IS NULL AND id IS DISTINCT FROM $1 ORDER BY name`,
    [own ?? null],
  );
  const others = plans.filter((plan) => selectsServer(plan, server));
  const schedules = await schedulesOf(transaction, others);
  return times
    .flatMap((at) =>
      others.flatMap((plan) =>
        (schedules.get(plan.id) ?? []).flatMap((row) =>
          occurrencesBetween(scheduleOf(row), new Date(at.getTime() - CLOSE_MS - 1), new Date(at.getTime() + CLOSE_MS), 1).map(
            (otherAt) => ({
              plan: plan.id,
              name: plan.name,
              at: at.toISOString(),
              otherAt: otherAt.toISOString(),
            }),
          ),
        ),
      ),
    )
    .slice(0, MOST_COLLISIONS);
}

function present(
  change: MetClockChange,
  schedule: Schedule,
  language: ExplainScheduleQuery['language'],
): ScheduleExplanation['clockChanges'][number] {
  const times = change.runsAt.map((at) => localTime(at, schedule.timeZone, language));
  const notes = {
    en: {
      skipped: `The clock jumps over ${change.wallClock}; the run starts at ${times[0]}, the next time there is.`,
      doubled:
        times.length > 1
          ? `The clock shows ${change.wallClock} twice; a schedule of every hour runs both times.`
          : `The clock shows ${change.wallClock} twice; the run starts the first time only.`,
    },
    tr: {
      skipped: `Saat ${change.wallClock} anını atlar; çalışma bir sonraki geçerli anda, ${times[0]}, başlar.`,
      doubled:
        times.length > 1
          ? `Saat ${change.wallClock} anını iki kez gösterir; her saat çalışan zamanlama ikisinde de çalışır.`
          : `Saat ${change.wallClock} anını iki kez gösterir; çalışma yalnızca ilkinde başlar.`,
    },
  };
  return {
    kind: change.kind,
    wallClock: change.wallClock,
    runsAt: change.runsAt.map((at) => at.toISOString()),
    note: notes[language][change.kind],
  };
}

function localTime(at: Date, timeZone: string, language: 'en' | 'tr'): string {
  return new Intl.DateTimeFormat(language === 'tr' ? 'tr-TR' : 'en-GB', { timeZone, dateStyle: 'medium', timeStyle: 'short' }).format(at);
}
