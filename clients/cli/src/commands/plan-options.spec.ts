import { describe, expect, it } from '@jest/globals';
import { byteSize, orNone } from '../option-values.js';
import { catchUpOf, databasesOf, retentionInWords, retentionOf, scheduleOf, schedulesOf } from './plan-options.js';

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

  it('say of retention only what was said, sizes in units of a thousand, and none for no limit', () => {
    expect(retentionOf({ priority: 1 })).toBeUndefined();
    expect(retentionOf({ keepMonthly: 12, maxSize: 'none' })).toEqual({ keepMonthly: 12, maxBytes: null });
    expect(['500GB', '1.5t', '20 MB', '7'].map(byteSize)).toEqual([500e9, 1.5e12, 20e6, 7]);
    for (const wrong of ['0', 'many', '5 XB', '-1GB', '']) expect(() => byteSize(wrong)).toThrow('A size is needed');
    expect([orNone(byteSize)('none'), orNone(byteSize)('1KB')]).toEqual(['none', 1000]);
    const none = { keepDays: null, keepHourly: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, keepYearly: 0, maxBytes: null };
    expect(retentionInWords({ ...none, keepLast: 14, keepProven: 2 })).toBe('the last 14; never below 2 proven');
    expect(retentionInWords({ ...none, keepLast: 1, keepProven: 2, keepDays: 30, keepMonthly: 12, maxBytes: 5e11 })).toBe(
      'the last 1, all of 30 days, one for each of 12 months, at most 500 GB of each database; never below 2 proven',
    );
  });

  it('catch up once or not at all', () => {
    expect([catchUpOf('once'), catchUpOf('skip'), catchUpOf(undefined)]).toEqual(['run_once', 'skip', undefined]);
    expect(() => catchUpOf('twice')).toThrow('no catch-up');
  });
});
