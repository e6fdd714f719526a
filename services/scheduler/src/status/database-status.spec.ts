import { describe, expect, it } from '@jest/globals';
import { statusOf, summarize, type Protection } from './database-status.js';

const at = (hour: number) => new Date(Date.UTC(2026, 10, 24, hour));
const base: Protection = {
  server: 's',
  serverName: 'shop-prod',
  engine: 'postgresql',
  database: 'd',
  databaseName: 'shop',
  plan: { id: 'p', name: 'Nightly', enabled: true },
  backups: 3,
  newest: { at: at(3), consistentAt: at(2), proof: 'FULL' },
  allowedAgeMs: 25 * 3_600_000,
  lastProvenAt: at(3),
  nextRunAt: at(27),
  lastDueAt: at(3),
  failuresSinceSuccess: 0,
  failure: null,
};
const failure = { code: 'source_unreachable', message: 'no route', retryable: true };
const state = (change: Partial<Protection>) => statusOf({ ...base, ...change }, at(6)).state;

describe('the ages of a database', () => {
  it('count from the state that the newest backup holds, and from the last proof', () => {
    const { backupAgeSeconds, proofAgeSeconds, allowedAgeSeconds } = statusOf({ ...base, lastProvenAt: at(0) }, at(6));
    expect([backupAgeSeconds, proofAgeSeconds, allowedAgeSeconds]).toEqual([4 * 3_600, 6 * 3_600, 25 * 3_600]);
  });

  it('are unknown where there is no backup, no proof and no schedule', () => {
    const { backupAgeSeconds, proofAgeSeconds, allowedAgeSeconds } = statusOf(
      { ...base, newest: null, lastProvenAt: null, allowedAgeMs: null },
      at(6),
    );
    expect([backupAgeSeconds, proofAgeSeconds, allowedAgeSeconds]).toEqual([null, null, null]);
  });
});

describe('the status of a database', () => {
  it.each<[string, Partial<Protection>, string]>([
    ['proven by its newest backup', {}, 'proven'],
    ['only stored while its newest backup is not proven', { newest: { at: at(3), consistentAt: at(3), proof: 'BASIC' } }, 'stored'],
    ['never after everything was removed, whatever ran before', { newest: null, backups: 0 }, 'never'],
    ['overdue when a scheduled time passed without a backup', { lastDueAt: at(4) }, 'overdue'],
    ['not overdue while its plan is paused', { lastDueAt: at(4), plan: { id: 'p', name: 'Nightly', enabled: false } }, 'proven'],
    ['failing as soon as something failed since', { failure, failuresSinceSuccess: 1 }, 'failing'],
    ['unprotected without a plan', { plan: null }, 'unprotected'],
  ])('is %s', (_, change, expected) => expect(state(change)).toBe(expected));
});

describe('the sentence', () => {
  const sentence = (...changes: Partial<Protection>[]) =>
    summarize(
      changes.map((change) => statusOf({ ...base, ...change }, at(6))),
      at(6),
    ).sentence;
  it('is one honest line', () => {
    expect(sentence()).toBe('Nothing is protected yet: add a plan.');
    expect(sentence({})).toBe('The one protected database can be restored, proven by a test restore. Oldest copy: 3 h.');
    expect(sentence({}, { newest: { at: at(2), consistentAt: at(2), proof: 'stored' }, lastDueAt: at(2) }, { plan: null })).toBe(
      'All 2 databases can be restored, 1 proven by a test restore. Oldest copy: 4 h. 1 database no plan protects.',
    );
    expect(sentence({}, { databaseName: 'crm', failure })).toBe('1 of 2 databases needs you: shop-prod/crm (failing).');
  });
});
