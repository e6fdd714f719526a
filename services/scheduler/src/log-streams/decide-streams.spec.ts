import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideStreams, PAUSED, type WantedLog } from './decide-streams.js';

const now = new Date('2026-11-27T12:00:00Z');
const settings = { commitSeconds: 60, heartbeatSeconds: 60 };
const wants = (change: Partial<WantedLog> = {}): WantedLog => ({
  server: 'server_1',
  repository: 'repository_1',
  plan: 'plan_1',
  settings,
  pausedAt: null,
  ...change,
});
const stream = (change: object = {}) => ({
  id: 'stream_1',
  server_id: 'server_1',
  repository_id: 'repository_1',
  plan_id: 'plan_1',
  state: 'active' as const,
  stop_reason: null,
  drop_at: null,
  drop_tries: 0,
  settings,
  ...change,
});
const paused = (dropAt: Date) => stream({ state: 'stopping', stop_reason: PAUSED, drop_at: dropAt });
const nothing = { start: [], resume: [], stop: [], change: [] };
const HOUR = 3_600_000;
const decide = (wanted: WantedLog[], known: ReturnType<typeof stream>[]) => decideStreams(wanted, known, now, HOUR);

describe('streams', () => {
  it('begin where a plan asks for them, once for a server and a repository', () => {
    expect(decide([wants(), wants({ plan: 'plan_2' })], []).start).toEqual([wants()]);
    expect(decide([wants()], [stream()])).toEqual(nothing);
  });
  it('keep their slot for a while when the plan is paused', () =>
    expect(decide([wants({ pausedAt: new Date(now.getTime() - 60_000) })], [stream()]).stop).toEqual([
      { stream: 'stream_1', reason: PAUSED, dropAt: new Date(now.getTime() - 60_000 + HOUR) },
    ]));
  it('go on without a gap when the plan is resumed in time', () => {
    expect(decide([wants()], [paused(new Date(now.getTime() + 1))])).toMatchObject({ start: [], resume: [{ stream: 'stream_1' }] });
    expect(decide([wants({ pausedAt: now })], [paused(new Date(now.getTime() + HOUR))])).toEqual(nothing);
  });
  it('begin anew when the slot may be gone already', () => {
    const dropping = { ...paused(now), drop_tries: 1 };
    expect(decide([wants()], [dropping])).toMatchObject({ start: [wants()], resume: [] });
  });
  it('lose their slot at once when no plan asks for them any more, paused or not', () => {
    expect(decide([], [stream()]).stop).toMatchObject([{ stream: 'stream_1', dropAt: now }]);
    expect(decide([], [paused(new Date(now.getTime() + HOUR))]).stop).toMatchObject([{ stream: 'stream_1', dropAt: now }]);
  });
  it('change hands when another plan that runs asks for the same', () =>
    expect(decide([wants({ pausedAt: now }), wants({ plan: 'plan_2' })], [stream()])).toMatchObject({
      stop: [],
      change: [{ stream: 'stream_1', wanted: { plan: 'plan_2' } }],
    }));
  it('are told new settings', () =>
    expect(decide([wants({ settings: { ...settings, commitSeconds: 5 } })], [stream()]).change).toHaveLength(1));
  it('come to rest: what was decided once leaves nothing to decide', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ plan: fc.constantFrom('plan_1', 'plan_2'), server: fc.constantFrom('a', 'b'), pausedAt: fc.constantFrom(null, now) }),
        ),
        (drawn) => {
          const wanted = drawn.map((one) => wants(one));
          const { start } = decide(wanted, []);
          const made = start.map((log, index) => stream({ id: `stream_${index}`, server_id: log.server, plan_id: log.plan }));
          expect(decide(wanted, made)).toEqual(nothing);
        },
      ),
    );
  });
});
