import { describe, expect, it } from '@jest/globals';
import { SourceLimitsInput } from '@rahat/contracts';
import { boundsOf, needsLooks } from './bounds.js';
import { IoWaits } from './io-waits.js';
import { ReplicaLag } from './replica-lag.js';
import { fitnessOf, type SourceLook } from './standby-fitness.js';
import { ThrottleAccount } from './throttle-account.js';
import { BlockedSessions, type Waiter } from './waiting-behind.js';

const limits = (set: object) => SourceLimitsInput.parse(set);

describe('the bounds of a plan', () => {
  const quiet = { lags: [], transactionSeconds: 5, lockWaits: 0, ioWaitShare: 0.25 };

  it('are those that are set, of each standby', () => {
    const lags = [
      { name: 'near', seconds: 2, bytes: 10 },
      { name: 'far', seconds: 31, bytes: 5e7 },
    ];
    const bounds = boundsOf(limits({ replicaLagSeconds: 10, ioWaitShare: 0.5 }), { ...quiet, lags });
    expect(bounds.map(({ name, value, bound, text }) => [name, value, bound, text])).toEqual([
      ['replicaLagSeconds', 2, 10, "the standby 'near' is 2 s behind"],
      ['replicaLagSeconds', 31, 10, "the standby 'far' is 31 s behind"],
      ['ioWaitShare', 0.25, 0.5, '25 % of the sessions at work wait for the disk'],
    ]);
  });

  it('need no look at the server where they bound only ourselves', () => {
    expect(needsLooks(limits({ bytesPerSecond: 1e6, runsAtOnce: 1 }))).toBe(false);
    expect(needsLooks(limits({ yieldSeconds: 5 }))).toBe(true);
  });
});

describe('how far a standby is behind', () => {
  const standby = (replayed: number, replaySeconds: number | null = null) => [{ name: 's', replayed, replaySeconds }];

  it('is the time since the source was first beyond what it replayed, while the server says nothing', () => {
    const lag = new ReplicaLag();
    expect(lag.see(100, standby(100), 0)[0]).toEqual({ name: 's', bytes: 0, seconds: 0 });
    lag.see(200, standby(100), 2_000);
    expect(lag.see(900, standby(100), 12_000)[0]).toEqual({ name: 's', bytes: 800, seconds: 10 });
    // It has replayed what stood there at 2 s, and nothing since.
    expect(lag.see(900, standby(200), 14_000)[0]).toEqual({ name: 's', bytes: 700, seconds: 2 });
    expect(lag.see(900, standby(900), 20_000)[0]).toEqual({ name: 's', bytes: 0, seconds: 0 });
  });

  it('is at least what the server says', () => {
    expect(new ReplicaLag().see(200, standby(100, 40), 0)[0]!.seconds).toBe(40);
    expect(new ReplicaLag().see(100, standby(100, 40), 0)[0]!.seconds).toBe(0);
  });
});

describe('who waits behind us', () => {
  const waiter = (pid: number, blockers: number[], waitedSeconds: number | null = null): Waiter => ({ pid, blockers, waitedSeconds });
  const ours = new Set([1, 2]);

  it('is who waits for a lock of ours, and who queues behind such a one', () => {
    const seen = new BlockedSessions().see([waiter(10, [2], 7), waiter(11, [10], 3), waiter(12, [11], 1), waiter(20, [30], 99)], ours, 0);
    expect(seen).toEqual({ behindUs: 3, others: 1, longestSeconds: 7 });
  });

  it('is nobody while we wait ourselves', () => {
    expect(new BlockedSessions().see([waiter(1, [30], 9)], ours, 0)).toEqual({ behindUs: 0, others: 0, longestSeconds: undefined });
  });

  it('has waited since it was first seen where the server doesn’t tell, and begins anew when it comes again', () => {
    const blocked = new BlockedSessions();
    expect(blocked.see([waiter(10, [1])], ours, 1_000).longestSeconds).toBe(0);
    expect(blocked.see([waiter(10, [1])], ours, 6_000).longestSeconds).toBe(5);
    expect(blocked.see([], ours, 7_000).longestSeconds).toBeUndefined();
    expect(blocked.see([waiter(10, [1])], ours, 8_000).longestSeconds).toBe(0);
  });
});

describe('a standby', () => {
  const look: SourceLook = { identity: '7', inRecovery: true, position: 100, replayedSeconds: 3_600 };

  it.each([
    ['that has all of it, however long nothing happened', look, { identity: '7', position: 100 }, { fit: true, lagSeconds: 0 }],
    ['that is within the bound', { ...look, replayedSeconds: 20 }, { identity: '7', position: 900 }, { fit: true, lagSeconds: 20 }],
    ['that is further behind', look, { identity: '7', position: 101 }, { fit: false, reason: 'it is 3600 s behind, more than 60 s' }],
    ['of a primary that can’t be asked', look, { identity: '7', position: undefined }, { fit: false }],
    ['of which nothing is known', { ...look, replayedSeconds: null }, { identity: '7', position: 101 }, { fit: false }],
    ['that was promoted', { ...look, inRecovery: false }, { identity: '7', position: 100 }, { fit: false }],
    ['of another server', { ...look, identity: '8' }, { identity: '7', position: 100 }, { fit: false }],
    ['of a server that nobody knows', look, { identity: undefined, position: undefined }, { fit: false }],
  ])('%s is fit or is not', (_, seen, reference, expected) => {
    expect(fitnessOf(seen, reference, 60)).toMatchObject(expected);
  });
});

describe('what the bounds cost', () => {
  it('is counted by time and by bound', () => {
    const account = new ThrottleAccount(0);
    account.enter({ state: 'slowed', bytesPerSecond: 5e6, from: 1e7 }, 'replicaLagSeconds', 10_000);
    account.enter({ state: 'held', resumeAt: 2e6, from: 1e7 }, 'replicaLagSeconds', 14_000);
    account.enter({ state: 'held', resumeAt: 2e6, from: 1e7 }, 'ioWaitShare', 16_000);
    expect(account.heldForMs(17_000)).toBe(3_000);
    account.enter({ state: 'free' }, 'ioWaitShare', 20_000);
    expect(account.facts(60_000)).toEqual({ throttledSeconds: 10, heldSeconds: 6, lowestBytesPerSecond: 0, by: ['replicaLagSeconds'] });
  });

  it('is nothing where nothing was slowed', () => {
    expect(new ThrottleAccount(0).facts(9_000)).toEqual({ throttledSeconds: 0, heldSeconds: 0, by: [] });
  });
});

describe('waits for the disk', () => {
  it('are a share over some looks, so that one look at one session says little', () => {
    const waits = new IoWaits();
    expect(waits.see(0, 0)).toBe(0);
    for (let look = 0; look < 10; look++) waits.see(0, 8);
    expect(waits.see(1, 1)).toBeLessThan(0.1);
  });
});
