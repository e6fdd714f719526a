import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError, type FollowSpec, type LogRange, type ServerWindows } from '@rahat/contracts';
import { drawnRecovery } from '../recovery/drawn-recovery.js';
import type { RunRow } from '../runs/runs.table.js';
import { startTestScheduler, type TestScheduler } from '../testing/index.js';
import { evidenceFor, type Script, type TestAttempt } from '../testing/scripts.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
}, 60_000);
afterAll(async () => {
  await scheduler[Symbol.asyncDispose]();
});
beforeEach(async () => {
  scheduler.scripts.length = 0;
  scheduler.attempts.length = 0;
  scheduler.told.length = 0;
  for (const { id } of (await scheduler.call('GET', '/api/v2/plans')).body.data) await scheduler.call('DELETE', `/api/v2/plans/${id}`);
  await scheduler.tick();
});

const MINUTE = 60_000;
const now = () => scheduler.clock.now().toISOString();
/** A megabyte is written in a minute. */
const lsn = (minute: number) =>
  `${(minute >> 12).toString(16).toUpperCase()}/${(((minute & 0xfff) << 20) >>> 0).toString(16).toUpperCase()}`;
const began = Date.parse('2026-11-01T00:00:00Z');
const at = (minute: number) => new Date(began + minute * MINUTE).toISOString();
const range = (from: number, to: number, timeline = 1): LogRange => ({
  timeline,
  start: lsn(from),
  end: lsn(to),
  firstCommitAt: at(from),
  lastCommitAt: at(to),
});

/** Followers stay until a test ends them; bases come where the test says. */
function play({ base }: { base?: number } = {}): { base: number | undefined } {
  const played = { base };
  const script: Script = async (attempt) => {
    scheduler.scripts.unshift(script);
    await attempt.start();
    if (attempt.spec.type === 'follow') return;
    const evidence = evidenceFor(attempt.spec);
    if (evidence.type === 'backup' && played.base !== undefined)
      Object.assign(evidence, {
        consistentAt: at(played.base),
        positions: { startLsn: lsn(played.base), endLsn: lsn(played.base), timeline: 1, systemIdentifier: '7' },
      });
    await attempt.finish({ outcome: 'evidence', evidence });
  };
  scheduler.scripts.push(script);
  return played;
}
async function follow(change: object = {}) {
  const plan = await scheduler.plan({
    method: 'postgresql.physical',
    databases: 'all',
    continuousLog: { commitSeconds: 5, heartbeatSeconds: 60 },
    ...change,
  });
  return { plan, follower: await follower(plan.server) };
}
async function follower(server: string, after = 0): Promise<TestAttempt & { spec: FollowSpec }> {
  return scheduler.eventually(async () => {
    const attempt = scheduler.attempts.filter(({ spec }) => spec.type === 'follow' && spec.server.id === server)[after];
    const run = attempt && (await scheduler.call('GET', `/api/v2/runs/${attempt.spec.run}`)).body;
    return run?.state === 'running' ? (attempt as TestAttempt & { spec: FollowSpec }) : undefined;
  });
}
async function commit(attempt: TestAttempt & { spec: FollowSpec }, ...ranges: LogRange[]): Promise<void> {
  const { end } = ranges.at(-1)!;
  await attempt.tell('log.committed.v1', {
    worker: 'worker-1',
    stream: attempt.spec.stream,
    ranges,
    receivedLsn: end,
    serverLsn: end,
    identity: '7',
    at: now(),
  });
}
const windows = async (server: string) => (await scheduler.call('GET', `/api/v2/servers/${server}/windows`)).body as ServerWindows;
const acts = () =>
  scheduler.told.flatMap(({ name, payload }) => (name === 'audit.recorded.v1' ? [(payload as { action: string }).action] : []));
const backups = async (plan: string) => (await scheduler.call('GET', `/api/v2/backups?plan=${plan}`)).body.data as { id: string }[];
const gap = (attempt: TestAttempt & { spec: FollowSpec }, reason: 'slot_lost' | 'source_replaced') => {
  const evidence = evidenceFor(attempt.spec);
  return attempt.finish({
    outcome: 'evidence',
    evidence: { ...evidence, end: { reason: 'gap', gap: reason, message: `the log is gone: ${reason}` } } as never,
  });
};

describe('a plan that keeps the log', () => {
  it('has one follower for its server, with a slot of its own, and makes the base that the log needs', async () => {
    const played = play();
    const { plan, follower: first } = await follow();
    expect(first.spec).toMatchObject({
      type: 'follow',
      repository: 'repository_known',
      commitSeconds: 5,
      slot: first.spec.stream.replace('stream_', 'rhb_'),
    });
    expect(first.spec).not.toHaveProperty('from');
    expect(first.spec).not.toHaveProperty('deadline');
    expect(first.secrets.source?.password).toBeDefined();
    expect(first.secrets.repositories[0]!.credential.power).toBe('write-only');
    expect(await backups(plan.id)).toEqual([]);
    played.base = 10;
    await commit(first, range(0, 5), range(5, 12));
    const [backup] = await scheduler.eventually(async () => ((await backups(plan.id)).length > 0 ? backups(plan.id) : undefined));
    expect(await windows(plan.server)).toMatchObject({
      from: at(10),
      to: at(12),
      windows: [{ backups: [backup!.id], open: true, timelines: [{ timeline: 1, start: lsn(10), end: lsn(12) }] }],
      gaps: [],
      streams: [{ state: 'following', committedLsn: lsn(12), retainedBytes: 12 * 1024 * 1024, run: first.spec.run }],
    });
    // Adjacent, overlapping and repeated: one row.
    await commit(first, range(10, 20));
    await commit(first, range(10, 20));
    await scheduler.eventually(async () => (await windows(plan.server)).to === at(20));
    expect(await scheduler.sql(`SELECT count(*)::int AS rows FROM scheduler.log_ranges WHERE stream_id = '${first.spec.stream}'`)).toEqual([
      { rows: 1 },
    ]);
    for (let ticks = 0; ticks < 5; ticks++) await scheduler.tick();
    expect(await backups(plan.id)).toHaveLength(1);
    expect(scheduler.attempts.filter(({ spec }) => spec.type === 'follow' && spec.server.id === plan.server)).toHaveLength(1);
  });

  it('is refused where the method keeps none', async () => {
    const { server } = await scheduler.plan();
    const answer = await scheduler.call('POST', '/api/v2/plans', {
      name: 'logical with log',
      server,
      repository: 'repository_known',
      continuousLog: {},
    });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/continuousLog' }] } });
  });
});

describe('a follower', () => {
  it('goes on elsewhere when its worker dies, from what the ledger accepted; what the dead one still says does not count', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    await scheduler.eventually(async () => (await windows(plan.server)).streams[0]?.committedLsn === lsn(10));
    await scheduler.sql(`UPDATE scheduler.runs SET heartbeat_at = now() - interval '1 hour' WHERE id = '${first.spec.run}'`);
    scheduler.clock.advance(60_000);
    const second = await scheduler.eventually(async () => {
      await scheduler.sql(
        `UPDATE scheduler.runs SET heartbeat_at = now() - interval '1 hour' WHERE id = '${first.spec.run}' AND attempt = 1`,
      );
      return scheduler.attempts.find(({ spec }) => spec.run === first.spec.run && spec.attempt === 2) as typeof first | undefined;
    });
    expect(second.spec).toMatchObject({ from: { timeline: 1, lsn: lsn(10) }, identity: '7', stream: first.spec.stream });
    await commit(first, range(10, 90));
    await commit(second, range(10, 15));
    await scheduler.eventually(async () => (await windows(plan.server)).streams[0]?.committedLsn === lsn(15));
    expect((await windows(plan.server)).gaps).toEqual([]);
  });

  it('is handed on when its worker shuts down, at once, and never fails for its number of attempts', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow({ maxAttempts: 1 });
    await first.finish({ outcome: 'evidence', evidence: evidenceFor(first.spec) });
    const second = await follower(plan.server, 1);
    await second.finish({ outcome: 'error', error: { code: 'worker_lost', message: 'draining', retryable: true } });
    expect((await follower(plan.server, 2)).spec).toMatchObject({ run: first.spec.run, attempt: 3 });
  });

  it('may be idle for as long as its source is: neither deadline nor standstill ends it', async () => {
    play({ base: 1 });
    const { follower: first } = await follow({ deadlineMinutes: 1, noProgressMinutes: 1 });
    await scheduler.sql(`UPDATE scheduler.attempts SET started_at = now() - interval '3 days' WHERE run_id = '${first.spec.run}'`);
    await scheduler.sql(
      `UPDATE scheduler.runs SET due_at = due_at - interval '3 days', queued_at = queued_at - interval '3 days', progressed_at = now() - interval '3 days' WHERE id = '${first.spec.run}'`,
    );
    for (let ticks = 0; ticks < 3; ticks++) await scheduler.tick();
    expect((await scheduler.call('GET', `/api/v2/runs/${first.spec.run}`)).body).toMatchObject({ state: 'running', attempt: 1 });
  });

  it('does not count against what its server bears', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 1);
  });

  it('tells how far behind it is, and the status says so', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    await scheduler.eventually(async () => (await windows(plan.server)).streams[0]?.committedLsn === lsn(10));
    const log = { receivedLsn: lsn(20), committedLsn: lsn(10), serverLsn: lsn(30), lagBytes: 20 << 20, lagSeconds: 300 };
    await first.tell('attempt.progress.v1', { phase: 'following', bytes: 1, log, at: now() });
    const [stream] = await scheduler.eventually(async () => {
      const { streams } = await windows(plan.server);
      return streams[0]?.state === 'lagging' ? streams : undefined;
    });
    expect(stream).toMatchObject({ lagBytes: 20 << 20, serverLsn: lsn(30) });
    expect(Math.round(stream!.lagSeconds! / 10)).toBe(30);
    expect((await scheduler.call('GET', `/api/v2/runs/${first.spec.run}`)).body.progress.log).toEqual(log);
    const status = (await scheduler.call('GET', '/api/v2/status')).body;
    expect(status).toMatchObject({ healthy: false });
    expect(status.sentence).toContain('is lagging');
  });

  it('waits while it is paused, and begins anew a minute after a cancellation', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await scheduler.call('POST', `/api/v2/runs/${first.spec.run}/pause`);
    await first.finish({ outcome: 'error', error: { code: 'pause_expired', message: 'paused', retryable: true } });
    await scheduler.until(first.spec.run, 'queued');
    await scheduler.tick();
    expect((await windows(plan.server)).streams[0]).toMatchObject({ state: 'starting', message: 'The follower is paused.' });
    await scheduler.call('POST', `/api/v2/runs/${first.spec.run}/resume`);
    const second = await follower(plan.server, 1);
    await scheduler.call('POST', `/api/v2/runs/${first.spec.run}/cancel`);
    await second.finish({ outcome: 'cancelled' });
    await scheduler.until(first.spec.run, 'cancelled');
    scheduler.clock.advance(61_000);
    expect((await follower(plan.server, 2)).spec.run).not.toBe(first.spec.run);
  });
});

describe('a gap', () => {
  it('is told with its reason, and makes a new base by itself, one at a time', async () => {
    const played = play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 1);
    await gap(first, 'slot_lost');
    const second = await follower(plan.server, 1);
    expect(second.spec).toMatchObject({ stream: first.spec.stream, slot: first.spec.slot, identity: '7' });
    expect(second.spec).not.toHaveProperty('from');
    expect(await backups(plan.id)).toHaveLength(1);
    played.base = 31;
    await commit(second, range(30, 35));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 2);
    for (let ticks = 0; ticks < 3; ticks++) await scheduler.tick();
    expect(await backups(plan.id)).toHaveLength(2);
    expect(await windows(plan.server)).toMatchObject({
      windows: [
        { from: at(1), to: at(10), open: false },
        { from: at(31), to: at(35), open: true },
      ],
      gaps: [{ reason: 'slot_lost', start: lsn(10), end: lsn(30), from: at(10), to: at(30), message: 'the log is gone: slot_lost' }],
    });
    expect(acts()).toEqual(expect.arrayContaining(['log.gap_found', 'log.base_requested']));
    expect((await scheduler.call('GET', `/api/v2/runs/${first.spec.run}`)).body).toMatchObject({
      state: 'failed',
      error: { code: 'log_gap' },
    });
  });

  it('that nobody told of is seen by the ledger', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    // Of two at once the later may be taken first; a follower then tells of both.
    await scheduler.eventually(async () => (await windows(plan.server)).streams[0]?.committedLsn === lsn(10));
    await commit(first, range(12, 20));
    const seen = await scheduler.eventually(async () => {
      const known = await windows(plan.server);
      return known.gaps.length > 0 ? known : undefined;
    });
    expect(seen.gaps).toMatchObject([{ reason: 'segment_missing', start: lsn(10), end: lsn(12) }]);
  });

  it('because of another server at the address begins another stream', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 1);
    await gap(first, 'source_replaced');
    const second = await follower(plan.server, 1);
    expect(second.spec.stream).not.toBe(first.spec.stream);
    expect(second.spec).not.toHaveProperty('identity');
    await scheduler.eventually(async () => scheduler.worker.droppedSlots.includes(first.spec.slot));
  });
});

describe('a stream that is not wanted any more', () => {
  it('loses its slot when the plan is deleted, as soon as a worker can', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    scheduler.worker.slotRefusal = new RahatError('unavailable', 'the server is down');
    await scheduler.call('DELETE', `/api/v2/plans/${plan.id}`);
    await scheduler.tick();
    await first.finish({ outcome: 'cancelled' });
    await scheduler.until(first.spec.run, 'cancelled');
    await scheduler.eventually(async () => (await windows(plan.server)).streams[0]?.message?.includes('the server is down'));
    delete scheduler.worker.slotRefusal;
    scheduler.clock.advance(MINUTE);
    await scheduler.eventually(async () => scheduler.worker.droppedSlots.includes(first.spec.slot));
    await scheduler.eventually(async () => acts().includes('log.slot_dropped'));
    expect((await windows(plan.server)).streams.filter(({ state }) => state !== 'stopped')).toEqual([]);
  });

  it('keeps its slot for an hour while the plan is paused, and goes on without a gap', async () => {
    play({ base: 1 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 10));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 1);
    await scheduler.call('POST', `/api/v2/plans/${plan.id}/pause`, {});
    await scheduler.tick();
    await first.finish({ outcome: 'cancelled' });
    await scheduler.until(first.spec.run, 'cancelled');
    expect((await windows(plan.server)).streams[0]).toMatchObject({ state: 'paused' });
    scheduler.clock.advance(30 * MINUTE);
    await scheduler.tick();
    expect(scheduler.worker.droppedSlots).not.toContain(first.spec.slot);
    await scheduler.call('POST', `/api/v2/plans/${plan.id}/resume`);
    expect((await follower(plan.server, 1)).spec).toMatchObject({ from: { timeline: 1, lsn: lsn(10) }, stream: first.spec.stream });
    await scheduler.call('POST', `/api/v2/plans/${plan.id}/pause`, {});
    await scheduler.tick();
    await scheduler.attempts.at(-1)!.finish({ outcome: 'cancelled' });
    scheduler.clock.advance(61 * MINUTE);
    await scheduler.eventually(async () => scheduler.worker.droppedSlots.includes(first.spec.slot));
  });
});

describe('log that no kept backup needs', () => {
  it('goes to the trash when the backups before it have left theirs', async () => {
    const played = play({ base: 20 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 30));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 1);
    const asked = () => scheduler.logRemovals.filter(({ stream }) => stream === first.spec.stream);
    // What lies before the first base is needed by nobody.
    const cut = await scheduler.eventually(async () => asked()[0]);
    expect(cut).toMatchObject({ repository: 'repository_known', timeline: 1, start: lsn(0), end: lsn(16) });
    const answer = { ...cut, removed: 3 };
    await scheduler.messaging.send('scheduler', 'log.removed.v1', answer);
    await scheduler.eventually(async () => acts().includes('log.removed'));
    expect((await windows(plan.server)).windows[0]).toMatchObject({ from: at(20), timelines: [{ start: lsn(20), end: lsn(30) }] });
    played.base = 60;
    await commit(first, range(30, 70));
    await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`);
    await scheduler.eventually(async () => (await backups(plan.id)).length === 2);
    await scheduler.sql(`UPDATE scheduler.log_streams SET log_look_at = now()`);
    await scheduler.tick();
    // Both are kept, and so is one that lies in the trash.
    expect(asked()).toHaveLength(1);
    await scheduler.sql(`UPDATE scheduler.backups SET removal_requested_at = now(), removed_at = now() WHERE log_start = '${lsn(20)}'`);
    await scheduler.sql(`UPDATE scheduler.log_streams SET log_look_at = now()`);
    await scheduler.tick();
    expect(asked()).toHaveLength(1);
    await scheduler.sql(`UPDATE scheduler.backups SET purged_at = now() WHERE log_start = '${lsn(20)}'`);
    await scheduler.sql(`UPDATE scheduler.log_streams SET log_look_at = now()`);
    await scheduler.tick();
    expect(asked()[1] ?? (await scheduler.eventually(async () => asked()[1]))).toMatchObject({ start: '0/0', end: lsn(48) });
  });
});

describe('a restore to a moment', () => {
  it('picks the base, refuses what cannot be reached with what can, and tells the worker how far', async () => {
    const played = play({ base: 10 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 40));
    await scheduler.eventually(async () => (await backups(plan.id)).length === 1);
    played.base = 25;
    await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`);
    await scheduler.eventually(async () => (await backups(plan.id)).length === 2);
    const asked = (recovery: object, change: object = {}) =>
      scheduler.call('POST', '/api/v2/restore-plans', {
        server: plan.server,
        target: { kind: 'folder', path: '/restored' },
        recovery,
        ...change,
      });
    const time = (minute: number) => ({ kind: 'time', time: at(minute) });
    const old = (await backups(plan.id)).find(({ id }, _index, all) => id !== all[0]!.id)!;
    const planned = (await asked(time(20))).body;
    expect(planned).toMatchObject({
      backup: old.id,
      recovery: { target: { kind: 'time' }, timeline: 1, from: lsn(10), reachesAt: at(40) },
    });
    expect((await asked(time(30))).body.backup).not.toBe(old.id);
    const refused = await asked(time(50));
    expect(refused).toMatchObject({ status: 422, body: { code: 'recovery_target_unreachable' } });
    expect(JSON.stringify(refused.body)).toContain(at(40));
    expect((await asked(time(5))).status).toBe(422);
    expect((await asked(time(20), { timeline: 3 })).status).toBe(422);
    expect((await asked({ kind: 'lsn', lsn: lsn(41) })).status).toBe(422);
    expect((await asked({ kind: 'name', name: 'before-release' })).body).toMatchObject({ errors: [{ pointer: '#/backup' }] });
    expect((await asked({ kind: 'name', name: 'before-release' }, { backup: old.id })).status).toBe(201);
    const started = await scheduler.call('POST', '/api/v2/restores', { plan: planned.id, hash: planned.hash });
    expect(started.status).toBe(202);
    await scheduler.until(started.body.id, 'succeeded');
    const { spec } = scheduler.attempts.find((attempt) => attempt.spec.run === started.body.id)!;
    expect(spec).toMatchObject({ recovery: { stream: first.spec.stream, timeline: 1, target: { kind: 'time', time: at(20) } } });
  });

  it('is what a test restore does, to a second of the window that nobody chose', async () => {
    play({ base: 10 });
    const { plan, follower: first } = await follow({ verify: ['FULL'] });
    await commit(first, range(0, 40));
    const verification = await scheduler.eventually(async () =>
      scheduler.attempts.find(({ spec }) => spec.type === 'verification' && spec.server.id === plan.server),
    );
    const { recovery } = verification.spec as { recovery?: { target: { time: string } } };
    expect(recovery).toMatchObject({ stream: first.spec.stream, timeline: 1, target: { kind: 'time' } });
    const drawn = Date.parse(recovery!.target.time);
    expect(drawn).toBeGreaterThan(Date.parse(at(10)));
    expect(drawn).toBeLessThanOrEqual(Date.parse(at(40)));
    await scheduler.until(verification.spec.run, 'succeeded');

    // Another tick that read the run before it was drawn for draws nothing else.
    const [row] = await scheduler.sql(`SELECT * FROM scheduler.runs WHERE id = '${verification.spec.run}'`);
    const stale = { ...row, recovery: null } as unknown as RunRow;
    const again = await scheduler.database.asSystem('draw again', (transaction) => drawnRecovery(transaction, stale, () => 0));
    expect(again).toEqual(recovery);
  });
});

describe('a rebuild of the catalog', () => {
  it('finds the log again that its database forgot, with the windows that it makes, and log of streams that it never knew', async () => {
    play({ base: 10 });
    const { plan, follower: first } = await follow();
    await commit(first, range(0, 40));
    await scheduler.eventually(async () => (await windows(plan.server)).to === at(40));
    await scheduler.sql(`DELETE FROM scheduler.log_ranges WHERE stream_id = '${first.spec.stream}'`);
    expect((await windows(plan.server)).windows).toEqual([]);
    const other = `stream_${'0'.repeat(32)}`;
    const found = (stream: string, ranges: LogRange[], identity = '7') => ({
      stream,
      organization: first.spec.organization,
      server: { id: plan.server, identity, name: 'bank', version: '15' },
      engine: 'postgresql' as const,
      ranges,
    });
    const logs = [
      found(first.spec.stream, [range(0, 45)]),
      found(other, [range(5, 20), range(20, 30, 2)]),
      { ...found(`${other}1`, [range(0, 1)]), organization: 'org_other' },
    ];
    let answer: unknown;
    scheduler.scripts.unshift(async (attempt) => {
      const { run, attempt: number } = attempt.spec;
      await scheduler.messaging.ask('_scheduler', 'attempt.claim.v1', { run, attempt: number, worker: 'worker-1' }, 5_000);
      answer = await scheduler.messaging.ask(
        '_scheduler',
        'snapshots.found.v1',
        { run, attempt: number, worker: 'worker-1', snapshots: [], logs, last: false },
        5_000,
      );
      await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
    });
    const started = await scheduler.call('POST', '/api/v2/catalog/rebuild', {});
    await scheduler.until(started.body.runs[0].id, 'succeeded');
    expect(answer).toMatchObject({ granted: true, logsRecorded: 2 });
    const known = await windows(plan.server);
    expect(known.windows.find(({ stream }) => stream === first.spec.stream)).toMatchObject({ from: at(10), to: at(45), open: true });
    expect(known.windows.find(({ stream }) => stream === other)).toMatchObject({
      from: at(10),
      to: at(30),
      open: false,
      timelines: [
        { timeline: 1, end: lsn(20) },
        { timeline: 2, parent: 1 },
      ],
    });
    expect(known.streams.find(({ id }) => id === other)).toMatchObject({ state: 'stopped' });
    // The next follower goes on behind what is there.
    await first.finish({ outcome: 'evidence', evidence: evidenceFor(first.spec) });
    expect((await follower(plan.server, 1)).spec.from).toEqual({ timeline: 1, lsn: lsn(45) });
  });
});
