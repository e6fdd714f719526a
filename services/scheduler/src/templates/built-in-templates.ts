import { RetentionInput, type Template } from '@rahat/contracts';

const PROVEN = ['BASIC', 'FULL'] as const;

/** What most people want, by name. Each says only what makes it what it is. */
export const BUILT_IN_TEMPLATES: readonly Template[] = [
  builtIn('nightly-30-days', 'Every night, kept for 30 days, each proven by a test restore', {
    method: 'postgresql.logical',
    databases: 'all',
    schedules: [{ type: 'full', cron: '0 2 * * *', timeZone: 'UTC' }],
    jitterMinutes: 30,
    retention: RetentionInput.parse({ keepLast: 30, keepProven: 3 }),
    verify: [...PROVEN],
  }),
  builtIn('hourly', 'Every hour for small, busy databases; two days of hours are kept', {
    method: 'postgresql.logical',
    databases: 'all',
    schedules: [{ type: 'full', cron: '@hourly', timeZone: 'UTC' }],
    jitterMinutes: 10,
    retention: RetentionInput.parse({ keepLast: 48, keepProven: 6 }),
    verify: ['BASIC', 'DATABASE'],
    priority: 40,
  }),
  builtIn('outside-office-hours', 'Four times a day, but never from 8 to 18 on working days: what is due then is moved to the evening', {
    method: 'postgresql.logical',
    databases: 'all',
    schedules: [{ type: 'full', cron: '0 */6 * * *', timeZone: 'UTC' }],
    jitterMinutes: 15,
    blackouts: [
      { kind: 'weekly', days: ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'], from: '08:00', to: '18:00', timeZone: 'UTC' },
    ],
    blackoutPolicy: { due: 'move', running: 'finish' },
    retention: RetentionInput.parse({ keepLast: 56, keepProven: 4 }),
    verify: [...PROVEN],
  }),
  builtIn('weekly-whole-server', 'The whole server as a base backup every Sunday, two months kept', {
    method: 'postgresql.physical',
    schedules: [{ type: 'full', cron: '0 1 * * 0', timeZone: 'UTC' }],
    retention: RetentionInput.parse({ keepLast: 9, keepProven: 2 }),
    verify: [...PROVEN],
    deadlineMinutes: 2_880,
  }),
  builtIn('low-priority', 'Nightly with little effort, after everything else, and without what is named like a test', {
    method: 'postgresql.logical',
    databases: { include: ['*'], exclude: ['*_test', 'test_*', '*_tmp'], tags: [] },
    schedules: [{ type: 'full', cron: '@daily', timeZone: 'UTC' }],
    jitterMinutes: 120,
    retention: RetentionInput.parse({ keepLast: 7, keepProven: 1 }),
    verify: ['BASIC'],
    priority: 80,
  }),
];

function builtIn(name: string, description: string, content: Template['content']): Template {
  return { id: `builtin-${name}`, name, description, builtIn: true, content };
}
