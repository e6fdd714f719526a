import { describe, expect, it } from '@jest/globals';
import { catchUpOf, databasesOf, scheduleOf, schedulesOf } from './plan-options.js';

describe('options of a plan', () => {
  it('select databases by all, by names and by patterns', () => {
    expect(databasesOf({})).toBeUndefined();
    expect(databasesOf({ databases: 'all' })).toBe('all');
    expect(databasesOf({ databases: 'shop,crm' })).toEqual(['shop', 'crm']);
    expect(databasesOf({ databases: 'shop_*' })).toEqual({ include: ['shop_*'], exclude: [], tags: [] });
    expect(databasesOf({ databases: 'all', exclude: ['*_test'] })).toEqual({ include: ['*'], exclude: ['*_test'], tags: [] });
    expect(databasesOf({ databaseTag: ['env=prod'] })).toEqual({ include: ['*'], exclude: [], tags: ['env=prod'] });
  });

  it('say one schedule by cron, or several by type', () => {
    expect(schedulesOf({ cron: '0 3 * * *', timeZone: 'UTC' })).toEqual({ cron: '0 3 * * *', timeZone: 'UTC' });
    expect(schedulesOf({ schedule: ['full=@weekly', 'incremental=0 3 * * 1-6'], timeZone: 'Europe/Istanbul' })).toEqual({
      schedules: [
        { type: 'full', cron: '@weekly', timeZone: 'Europe/Istanbul' },
        { type: 'incremental', cron: '0 3 * * 1-6', timeZone: 'Europe/Istanbul' },
      ],
    });
    expect(() => schedulesOf({ cron: '@daily', schedule: ['full=@weekly'] })).toThrow('either --cron or --schedule');
    expect(() => scheduleOf('weekly', 'UTC')).toThrow('no schedule');
    expect(() => scheduleOf('sometimes=@daily', 'UTC')).toThrow('no schedule');
  });

  it('catch up once or not at all', () => {
    expect([catchUpOf('once'), catchUpOf('skip'), catchUpOf(undefined)]).toEqual(['run_once', 'skip', undefined]);
    expect(() => catchUpOf('twice')).toThrow('no catch-up');
  });
});
