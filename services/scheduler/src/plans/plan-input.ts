import {
  assertTypeSupported,
  METHODS,
  RahatError,
  type BackupMethod,
  type CreatePlan,
  type HookInput,
  type Principal,
  type ScheduleInput,
  type ServerSelection,
  type UpdatePlan,
} from '@rahat/contracts';
import { mistaken, type Mistake } from '../input/mistake.js';
import { mistakesInWindows } from './blackouts.js';
import { mistakesIn } from './schedule.js';

/** One server is short for a selection of it. */
export function serversIn(request: Pick<CreatePlan, 'server' | 'servers'>): ServerSelection {
  if ((request.server === undefined) === (request.servers === undefined))
    throw mistaken({ pointer: '/server', message: 'give either server or servers' });
  const selection = request.servers ?? { servers: [request.server!], groups: [], tags: [] };
  if (selection.servers.length + selection.groups.length + selection.tags.length === 0)
    throw mistaken({ pointer: '/servers', message: 'selects nothing: name servers, groups or tags' });
  return selection;
}

/** The schedules that a request asks for; undefined when it leaves them as they are. Checked, with pointers into the request. */
export function schedulesIn(
  request: Pick<UpdatePlan, 'cron' | 'timeZone' | 'schedules'>,
  before: readonly ScheduleInput[],
  method: BackupMethod,
  now: Date,
): ScheduleInput[] | undefined {
  if (request.schedules !== undefined) {
    if (request.cron !== undefined) throw mistaken({ pointer: '/cron', message: 'give either cron or schedules' });
    assertSchedules(request.schedules, method, now);
    return request.schedules;
  }
  if (request.cron === undefined && request.timeZone === undefined) return undefined;
  const timeZone = request.timeZone ?? before[0]?.timeZone ?? 'UTC';
  // A zone alone is checked, too, although nothing runs in it yet.
  if (request.cron === null || (request.cron === undefined && before.length === 0)) {
    check([{ type: 'full', cron: '0 0 * * *', timeZone }], method, now, (_, field) => field);
    return [];
  }
  const schedules: ScheduleInput[] =
    request.cron === undefined ? before.map((schedule) => ({ ...schedule, timeZone })) : [{ type: 'full', cron: request.cron, timeZone }];
  check(schedules, method, now, (_, field) => field);
  return schedules;
}

export function assertSchedules(schedules: readonly ScheduleInput[], method: BackupMethod, now: Date, at = ''): void {
  check(schedules, method, now, (index, field) => `${at}/schedules/${index}${field}`);
}

/** Tags alone would select servers of the whole organization, today or tomorrow. */
export function assertWithinGroups({ serverGroups }: Principal, selection: ServerSelection): void {
  if (serverGroups !== null && selection.tags.length > 0 && selection.groups.length === 0)
    throw mistaken({ pointer: '/servers/groups', message: 'your role is limited to server groups: name them beside the tags' });
}

/** They run on workers and are sent from there, beside what belongs to others. */
export function refuseHooksOfLimited({ serverGroups }: Principal, hooks: readonly HookInput[]): void {
  if (serverGroups !== null && hooks.length > 0)
    throw new RahatError('forbidden', 'Hooks act from the workers of the whole organization, and your role is limited to server groups.', {
      hint: 'Ask somebody whose role is not limited.',
    });
}

export function assertWindows(windows: Parameters<typeof mistakesInWindows>[0] | undefined, at = ''): void {
  const mistakes = mistakesInWindows(windows ?? []).map((mistake) => ({ ...mistake, pointer: `${at}${mistake.pointer}` }));
  if (mistakes.length > 0) throw mistaken(...mistakes);
}

export function assertVerificationSchedules(schedules: UpdatePlan['verifySchedules'], now: Date, at = ''): void {
  const mistakes = (schedules ?? []).flatMap((schedule, index): Mistake[] =>
    mistakesIn(schedule, now).map(({ pointer, message }) => ({ pointer: `${at}/verifySchedules/${index}${pointer}`, message })),
  );
  if (mistakes.length > 0) throw mistaken(...mistakes);
}

export function assertContinuousLog(log: UpdatePlan['continuousLog'], method: BackupMethod): void {
  if (log && !METHODS[method].log)
    throw mistaken({ pointer: '/continuousLog', message: `${method} keeps no log: choose a physical method` });
}

/** A backup of the whole server has no database that a question could mean by itself. */
export function assertAssertions(assertions: UpdatePlan['assertions'], method: BackupMethod): void {
  if (METHODS[method].covers !== 'server') return;
  const mistakes = (assertions ?? []).flatMap(({ database }, index): Mistake[] =>
    database === undefined
      ? [{ pointer: `/assertions/${index}/database`, message: 'say of which database; the backup covers the whole server' }]
      : [],
  );
  if (mistakes.length > 0) throw mistaken(...mistakes);
}

function check(
  schedules: readonly ScheduleInput[],
  method: BackupMethod,
  now: Date,
  pointer: (index: number, field: string) => string,
): void {
  const mistakes = schedules.flatMap((schedule, index): Mistake[] =>
    mistakesIn(schedule, now).map((mistake) => ({ pointer: pointer(index, mistake.pointer), message: mistake.message })),
  );
  if (mistakes.length > 0) throw mistaken(...mistakes);
  for (const { type } of schedules) assertTypeSupported(method, type);
  // Before anything but a full backup there must be one.
  if (schedules.length > 0 && !schedules.some(({ type }) => type === 'full'))
    throw new RahatError('invalid_input', 'A plan with a schedule needs one of full backups', {
      hint: 'Add a schedule of type full, for example weekly.',
    });
}
