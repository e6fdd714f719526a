import { describe, expect, it } from '@jest/globals';
import type { RepositoryContext } from '../context.js';
import { deriveKeys } from '../keys/derivation.js';
import { PROTOCOL } from '../protocol.js';
import { MemoryStore } from '../testing/memory-store.js';
import { Lease } from './lease.js';
import { surveyLeases } from './lease-survey.js';

const MINUTE_MS = 60_000;
const TTL_MS = 30 * MINUTE_MS;
const KEYS = deriveKeys({ masterKey: Buffer.alloc(32, 1), identitySecret: Buffer.alloc(32, 2) });

/** A storage and the machines that work with it, with all their clocks in the test's hands. */
function scene(): { store: MemoryStore; passes: (ms: number) => void; machine: () => Machine } {
  const store = new MemoryStore();
  let nowMs = Date.UTC(2026, 0, 1);
  store.now = () => new Date(nowMs);
  return { store, passes: (ms) => (nowMs += ms), machine: () => new Machine(store, () => nowMs) };
}

class Machine {
  /** What its timer does next: renews its lease. */
  renewal: () => void = () => undefined;
  private stoppedAtMs: number | undefined;
  readonly context: RepositoryContext;

  constructor(store: MemoryStore, nowMs: () => number) {
    const clock = {
      now: () => new Date(nowMs()),
      monotonicMs: () => this.stoppedAtMs ?? nowMs(),
      after: (_ms: number, action: () => void) => {
        this.renewal = action;
        return () => undefined;
      },
    };
    this.stopClock = () => (this.stoppedAtMs = nowMs());
    const repositoryId = Buffer.alloc(16, 3);
    this.context = { store, clock, keys: KEYS, repositoryId, leaseTtlMs: TTL_MS, protocol: PROTOCOL } as unknown as RepositoryContext;
  }

  /** As in a virtual machine that is suspended, which doesn't notice. */
  readonly stopClock: () => void;
}

describe('a lease', () => {
  it('covers nothing more that is put after it had run out, even when its holder wakes up and renews it', async () => {
    const { store, passes, machine } = scene();
    const suspended = machine();
    const lease = await Lease.take(suspended.context, 'writer', 'worker-1');
    suspended.stopClock();
    passes(TTL_MS + MINUTE_MS);
    const manifestPutAt = store.now();

    suspended.renewal();
    await new Promise(setImmediate);

    expect(store.calls.filter((call) => call.startsWith('put '))).toHaveLength(2);
    expect(lease.covers(manifestPutAt)).toBe(false);
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ code: 'lease_lost' }));
  });

  it('goes on to cover what is put while it is renewed in time', async () => {
    const { store, passes, machine } = scene();
    const awake = machine();
    const lease = await Lease.take(awake.context, 'writer', 'worker-1');
    for (let renewals = 0; renewals < 8; renewals++) {
      passes(5 * MINUTE_MS);
      awake.renewal();
      await new Promise(setImmediate);
    }

    expect(lease.covers(store.now())).toBe(true);
    expect(() => lease.assertHeld()).not.toThrow();
  });
});

describe('a survey of leases', () => {
  it('takes nobody for dead because the asker was suspended while the answer was on its way', async () => {
    const { store, passes, machine } = scene();
    await Lease.take(machine().context, 'writer', 'worker-1');
    const collector = machine();
    const own = await Lease.take(collector.context, 'collector', 'collector');
    passes(5 * MINUTE_MS);
    store.onCall = (operation, name) => {
      if (operation === 'get' && name.startsWith('leases/')) passes(TTL_MS);
    };

    const { live, expired } = await surveyLeases(collector.context, own, { removeExpired: true });

    expect(live.map(({ holder }) => holder)).toEqual(['worker-1']);
    expect(expired).toBe(0);
    expect(store.names('leases/')).toHaveLength(2);
  });

  it('removes a lease whose whole life has passed', async () => {
    const { store, passes, machine } = scene();
    await Lease.take(machine().context, 'writer', 'worker-1');
    passes(TTL_MS + MINUTE_MS);
    const collector = machine();
    const own = await Lease.take(collector.context, 'collector', 'collector');

    expect(await surveyLeases(collector.context, own, { removeExpired: true })).toEqual({ live: [], expired: 1 });
    expect(store.names('leases/')).toEqual([own.fileName]);
  });
});
