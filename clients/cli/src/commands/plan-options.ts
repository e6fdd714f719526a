import { LogWay, RahatError, type ScheduleInput } from '@rahat/contracts';
import type { Plan } from '@rahat/api-client';
import type { Api } from '../session/api.js';
import type { OrNone } from '../option-values.js';
import { bytes } from '../terminal/format.js';
import { findGroup } from './server-groups.js';
import { findServer } from './servers.js';
import type { SourceOptions } from './source-options.js';

/** What `plan create` and `plan update` have in common; absent = not said. */
export interface PlanOptions extends SourceOptions {
  server?: string[];
  serverGroup?: string[];
  serverTag?: string[];
  databases?: string;
  exclude?: string[];
  databaseTag?: string[];
  cron?: string;
  timeZone?: string;
  schedule?: string[];
  jitter?: number;
  priority?: number;
  tag?: string[];
  keepLast?: number;
  keepProven?: number;
  keepDays?: OrNone;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepYearly?: number;
  maxSize?: OrNone;
  verify?: string;
  verifyEvery?: string[];
  verifySchedule?: string[];
  assertions?: string;
  deep?: boolean;
  continuousLog?: OrNone;
  logHeartbeat?: number;
  logWay?: string;
  catchUp?: string;
  deadlineMinutes?: number;
  stalledMinutes?: number;
}

const TYPES = ['full', 'differential', 'incremental', 'log'] as const;

/** `full=0 3 * * 0`: the type and its cron expression. */
export function scheduleOf(text: string, timeZone: string): ScheduleInput {
  const [type, ...cron] = text.split('=');
  const known = TYPES.find((candidate) => candidate === type);
  if (!known || cron.length === 0)
    throw new RahatError('invalid_input', `"${text}" is no schedule.`, {
      hint: 'Write the type and its cron expression, for example full="0 3 * * *".',
    });
  return { type: known, cron: cron.join('='), timeZone };
}

/** Names with `*` or `?` are patterns. */
export function databasesOf({ databases, exclude = [], databaseTag = [] }: PlanOptions) {
  if (databases === undefined && exclude.length + databaseTag.length === 0) return undefined;
  const names = databases === undefined || databases === 'all' ? undefined : databases.split(',');
  if (exclude.length + databaseTag.length === 0 && !names?.some((name) => /[*?]/.test(name))) return names ?? ('all' as const);
  return { include: names ?? ['*'], exclude, tags: databaseTag };
}

export async function serversOf(api: Api, { server = [], serverGroup = [], serverTag = [] }: PlanOptions) {
  if (server.length + serverGroup.length + serverTag.length === 0) return undefined;
  const [servers, groups] = await Promise.all([
    Promise.all(server.map(async (name) => (await findServer(api, name)).id)),
    Promise.all(serverGroup.map(async (name) => (await findGroup(api, name)).id)),
  ]);
  return { servers, groups, tags: serverTag };
}

export function schedulesOf({ cron, timeZone, schedule }: PlanOptions): { cron?: string; timeZone?: string; schedules?: ScheduleInput[] } {
  if (schedule === undefined || schedule.length === 0) return { cron, timeZone };
  if (cron !== undefined) throw new RahatError('invalid_input', 'Give either --cron or --schedule.');
  return { schedules: schedule.map((text) => scheduleOf(text, timeZone ?? 'UTC')) };
}

export function catchUpOf(text: string | undefined): 'run_once' | 'skip' | undefined {
  if (text === undefined || text === 'skip') return text;
  if (text === 'once' || text === 'run_once') return 'run_once';
  throw new RahatError('invalid_input', `There is no catch-up "${text}".`, { hint: 'Use once or skip.' });
}

/** What the options say of retention; undefined when they say nothing. */
export function retentionOf(options: PlanOptions) {
  const { keepLast, keepProven, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly } = options;
  const limits = { keepDays: limitOf(options.keepDays), maxBytes: limitOf(options.maxSize) };
  const said = { keepLast, keepProven, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, ...limits };
  return Object.values(said).every((value) => value === undefined) ? undefined : said;
}

function limitOf(said: OrNone | undefined): number | null | undefined {
  return said === 'none' ? null : said;
}

/** `14 backups, one of each of the last 12 months`: what a policy keeps, in words. */
export function retentionInWords(policy: Plan['retention']): string {
  const periods = [
    [policy.keepHourly, 'hours'],
    [policy.keepDaily, 'days'],
    [policy.keepWeekly, 'weeks'],
    [policy.keepMonthly, 'months'],
    [policy.keepYearly, 'years'],
  ] as const;
  const parts = [
    `the last ${policy.keepLast}`,
    ...(policy.keepDays === null ? [] : [`all of ${policy.keepDays} days`]),
    ...periods.filter(([count]) => count > 0).map(([count, name]) => `one for each of ${count} ${name}`),
    ...(policy.maxBytes === null ? [] : [`at most ${bytes(policy.maxBytes)} of each database`]),
  ];
  return `${parts.join(', ')}; never below ${policy.keepProven} proven`;
}

/** `null` = the log is not kept. */
export function continuousLogOf({ continuousLog, logHeartbeat, logWay }: PlanOptions) {
  if (continuousLog === undefined) {
    if (logHeartbeat === undefined && logWay === undefined) return undefined;
    throw new RahatError('invalid_input', `${logWay === undefined ? '--log-heartbeat' : '--log-way'} needs --continuous-log.`);
  }
  if (continuousLog === 'none') return null;
  const way = LogWay.optional().safeParse(logWay);
  if (!way.success) throw new RahatError('invalid_input', `"${logWay}" is no way of the log: write ${LogWay.options.join(' or ')}.`);
  return {
    commitSeconds: continuousLog,
    ...(logHeartbeat === undefined ? {} : { heartbeatSeconds: logHeartbeat }),
    ...(way.data === undefined ? {} : { way: way.data }),
  };
}
