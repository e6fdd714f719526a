import { describe, expect, it } from '@jest/globals';
import { sourceInWords, sourceLimitsOf, sourceOf, standbysOf } from './source-options.js';

const none = {
  bytesPerSecond: null,
  runsAtOnce: null,
  replicaLagSeconds: null,
  replicaLagBytes: null,
  transactionSeconds: null,
  lockWaits: null,
  ioWaitShare: null,
  yieldSeconds: null,
};

describe('options of the source', () => {
  it('say where to read, and how far behind it may be', () => {
    expect(sourceOf({})).toBeUndefined();
    expect(sourceOf({ source: 'prefer-replica' })).toEqual({ from: 'prefer-replica' });
    expect(sourceOf({ source: 'replica-only', sourceLag: 5 })).toEqual({ from: 'replica-only', lagSeconds: 5 });
    expect(() => sourceOf({ sourceLag: 5 })).toThrow('needs --source');
    expect(() => sourceOf({ source: 'replica' })).toThrow('no source');
  });

  it('say of the limits only what was said, none for no limit and waits in percent', () => {
    expect(sourceLimitsOf({ source: 'primary' })).toBeUndefined();
    expect(sourceLimitsOf({ limitRate: 5e6, limitIoWaits: 40, yieldAfter: 'none' })).toEqual({
      bytesPerSecond: 5e6,
      ioWaitShare: 0.4,
      yieldSeconds: null,
    });
  });

  it('are told in words', () => {
    expect(sourceInWords({ source: { from: 'primary', lagSeconds: 60 }, sourceLimits: none })).toBe('without limits');
    expect(
      sourceInWords({ source: { from: 'replica-only', lagSeconds: 5 }, sourceLimits: { ...none, bytesPerSecond: 5e6, yieldSeconds: 30 } }),
    ).toBe('replica-only, at most 5 s behind\n5.0 MB/s\ngives way to who waits 30 s for its locks');
  });
});

describe('standbys of a server', () => {
  it('are hosts with ports, or none', () => {
    expect(standbysOf(undefined)).toBeUndefined();
    expect(standbysOf(['none'])).toEqual([]);
    expect(standbysOf(['db2', 'db3:5433', '[::1]:5434'])).toEqual([
      { host: 'db2', port: 5432 },
      { host: 'db3', port: 5433 },
      { host: '::1', port: 5434 },
    ]);
    expect(() => standbysOf(['a:b'])).toThrow('no standby');
  });
});
