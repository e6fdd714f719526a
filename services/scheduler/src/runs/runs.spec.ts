import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SCHEDULER, type Run } from '@rahat/contracts';
import { evidenceFor, failWith, succeed, withEvidence, type TestAttempt } from '../testing/scripts.js';
import { PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
afterEach(() => {
  scheduler.scripts.length = 0;
  scheduler.attempts.length = 0;
});

const start = async (plan: string): Promise<Run[]> => (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs;
const backUp = async (change: object = {}): Promise<Run> => (await start((await scheduler.plan(change)).id))[0]!;
const backupsOf = async (plan: string | null) => (await scheduler.call('GET', `/api/v2/backups?plan=${plan}`)).body.data;
const attemptOf = (run: string, attempt = 1): Promise<TestAttempt> =>
  scheduler.eventually(async () => scheduler.attempts.find(({ spec }) => spec.run === run && spec.attempt === attempt));
const startAndStop: (attempt: TestAttempt) => Promise<void> = (attempt) => attempt.start();

describe('a run', () => {
  it('succeeds by its evidence, and only then stands in the catalog', async () => {
    const gate = Promise.withResolvers<void>();
    scheduler.scripts.push(async (attempt) => (await gate.promise, succeed(attempt)));
    const answer = await scheduler.call('POST', `/api/v2/plans/${(await scheduler.plan()).id}/runs`);
    expect(answer.status).toBe(202);
    const [run] = answer.body.runs;
    expect(answer.headers.get('location')).toBe(`/api/v2/runs/${run.id}`);
    expect(await backupsOf(run.plan)).toEqual([]);
    gate.resolve();
    const done = await scheduler.until(run.id, 'succeeded');
    const { spec, secrets } = await attemptOf(run.id);
    expect(done).toMatchObject({ attempt: 1, reasons: [], error: null, worker: 'worker-1', evidence: { type: 'backup', rows: 5 } });
    expect(spec).toMatchObject({
      type: 'backup',
      snapshot: expect.stringMatching(/^snapshot_[0-9a-f]{32}$/),
      database: { name: 'shop' },
      sourceBytes: 1000,
    });
    expect(secrets.source?.password).toBe(PASSWORD);
    expect(secrets.repositories.map(({ credential }) => credential.power)).toEqual(['write-only']);
    expect(await backupsOf(run.plan)).toMatchObject([
      { id: done.backup, state: 'succeeded', proof: 'stored', databaseName: 'shop', sizeBytes: 1000 },
    ]);
  });

  it('is partial with what is missing, and failed without a commit', async () => {
    scheduler.scripts.push(
      withEvidence({ findings: [{ code: 'x', severity: 'gap', message: 'no right to read', object: 'public.secret' }] }),
    );
    const partial = await backUp();
    expect(await scheduler.until(partial.id, 'partial')).toMatchObject({ reasons: ['public.secret: no right to read'] });
    expect(await backupsOf(partial.plan)).toMatchObject([{ state: 'partial' }]);

    scheduler.scripts.push(withEvidence({ committed: false }));
    const failed = await backUp({ maxAttempts: 1 });
    expect(await scheduler.until(failed.id, 'failed')).toMatchObject({ reasons: ['The snapshot was not committed.'] });
    expect(await backupsOf(failed.plan)).toEqual([]);
  });

  it('is not tried again where trying cannot help', async () => {
    scheduler.scripts.push(failWith('source_authentication_failed', false));
    const run = await backUp();
    expect(await scheduler.until(run.id, 'failed')).toMatchObject({ attempt: 1, error: { code: 'source_authentication_failed' } });
  });

  it('is tried again after a pause, with a snapshot of its own, and ends when its attempts are used up', async () => {
    scheduler.scripts.push(failWith('source_unreachable', true), succeed);
    const run = await backUp();
    await scheduler.eventually(async () => (await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body.attempt === 2);
    expect((await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body).toMatchObject({
      state: 'queued',
      error: { code: 'source_unreachable' },
    });
    scheduler.clock.advance(2_000);
    expect(await scheduler.until(run.id, 'succeeded')).toMatchObject({ attempt: 2, error: null });
    // Why there was a second one, its log tells for good.
    const { data: log } = (await scheduler.call('GET', `/api/v2/runs/${run.id}/log`)).body;
    expect(log).toEqual([
      expect.objectContaining({ attempt: 1, level: 'warning', message: expect.stringMatching(/^Attempt 1 ended, .*source_unreachable/) }),
    ]);
    const [first, second] = [await attemptOf(run.id, 1), await attemptOf(run.id, 2)];
    expect((first.spec as { snapshot: string }).snapshot).not.toBe((second.spec as { snapshot: string }).snapshot);

    scheduler.scripts.push(failWith('source_lost', true));
    const last = await backUp({ maxAttempts: 1 });
    expect(await scheduler.until(last.id, 'failed')).toMatchObject({ attempt: 1, error: { code: 'source_lost' } });
  });

  it('of a silent worker goes to another attempt, and the late result of the first changes nothing', async () => {
    scheduler.scripts.push(startAndStop, startAndStop);
    const run = await backUp();
    await scheduler.until(run.id, 'running');
    await scheduler.tick();
    scheduler.clock.advance(46_000);
    await scheduler.eventually(async () => (await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body.attempt === 2);
    scheduler.clock.advance(2_000);
    const [lost, second] = [await attemptOf(run.id, 1), await attemptOf(run.id, 2)];
    await scheduler.until(run.id, 'running');
    await lost.finish({ outcome: 'evidence', evidence: evidenceFor(lost.spec) });
    await second.tell('attempt.heartbeat.v1', { worker: 'another worker', at: new Date().toISOString() });
    await second.finish({ outcome: 'evidence', evidence: evidenceFor(second.spec) }, 'another worker');
    await second.tell('attempt.log.v1', { lines: [{ at: new Date().toISOString(), level: 'info', message: 'still there' }] });
    await scheduler.eventually(async () => (await scheduler.call('GET', `/api/v2/runs/${run.id}/log`)).body.data.length === 2);
    expect((await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body).toMatchObject({ state: 'running', attempt: 2 });
    expect(await backupsOf(run.plan)).toEqual([]);
    await second.finish({ outcome: 'evidence', evidence: evidenceFor(second.spec) });
    await scheduler.until(run.id, 'succeeded');
    expect(await backupsOf(run.plan)).toHaveLength(1);
    // Nobody knows whether the lost attempt committed, or still will: its snapshot must not stay either way.
    const snapshotOf = ({ spec }: TestAttempt) => (spec as { snapshot: string }).snapshot;
    const discards = (attempt: TestAttempt) => scheduler.discarded.filter((snapshot) => snapshot === snapshotOf(attempt)).length;
    const before = await scheduler.eventually(async () => discards(lost) || undefined);
    await lost.finish({ outcome: 'evidence', evidence: evidenceFor(lost.spec) });
    await scheduler.eventually(async () => discards(lost) > before);
    expect(discards(second)).toBe(0);
  });

  it('fails as lost when no attempt is left', async () => {
    scheduler.scripts.push(startAndStop);
    const run = await backUp({ maxAttempts: 1 });
    await scheduler.until(run.id, 'running');
    await scheduler.tick();
    scheduler.clock.advance(46_000);
    expect(await scheduler.until(run.id, 'failed')).toMatchObject({ error: { code: 'worker_lost' } });
    const { snapshot } = (await attemptOf(run.id)).spec as { snapshot: string };
    await scheduler.eventually(async () => scheduler.discarded.includes(snapshot));
  });

  it('is given to the next worker when one shuts down', async () => {
    scheduler.scripts.push(async (attempt) => (await attempt.start(), attempt.finish({ outcome: 'cancelled' })));
    const run = await backUp();
    await scheduler.eventually(async () => (await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body.attempt === 2);
    scheduler.clock.advance(2_000);
    await scheduler.until(run.id, 'succeeded');
  });

  it('takes a repeated result once, and a result that overtook its start', async () => {
    const result = (attempt: TestAttempt) => ({ outcome: 'evidence' as const, evidence: evidenceFor(attempt.spec) });
    scheduler.scripts.push(async (attempt) => {
      await attempt.finish(result(attempt));
      await attempt.start();
      await Promise.all([
        attempt.finish(result(attempt)),
        attempt.finish({ outcome: 'error', error: { code: 'tool_failed', message: 'late', retryable: true } }),
      ]);
    });
    const run = await backUp();
    await scheduler.until(run.id, 'succeeded');
    await (await attemptOf(run.id)).tell('attempt.log.v1', { lines: [{ at: new Date().toISOString(), level: 'info', message: 'end' }] });
    await scheduler.eventually(async () => (await scheduler.call('GET', `/api/v2/runs/${run.id}/log`)).body.data.length === 1);
    expect((await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body).toMatchObject({ state: 'succeeded', attempt: 1 });
    expect(await backupsOf(run.plan)).toHaveLength(1);
  });

  it('is given to the first worker that asks, however many the queue hands it to', async () => {
    const held = Promise.withResolvers<void>();
    scheduler.scripts.push(() => held.promise);
    const run = await backUp();
    const { spec } = await attemptOf(run.id);
    const claim = async (worker: string, attempt = spec.attempt) =>
      (await scheduler.messaging.ask(SCHEDULER, 'attempt.claim.v1', { run: run.id, attempt, worker }, 10_000)).granted;
    expect(await Promise.all(['one', 'two', 'three'].map((worker) => claim(worker)))).toHaveLength(3);
    const holder = (await scheduler.sql(`SELECT worker FROM scheduler.runs WHERE id = '${run.id}'`))[0]!['worker'];
    expect(await Promise.all(['one', 'two', 'three'].map(async (worker) => (await claim(worker)) === (worker === holder)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(await claim(String(holder), spec.attempt + 1)).toBe(false);
    held.resolve();
    await (await attemptOf(run.id)).finish({ outcome: 'evidence', evidence: evidenceFor(spec) }, String(holder));
    await scheduler.until(run.id, 'succeeded');
    expect(await claim(String(holder))).toBe(false);
  });

  it('whose message the queue lost is sent again', async () => {
    const plan = await scheduler.plan();
    scheduler.loseCommands(1);
    const [run] = await start(plan.id);
    await scheduler.until(run!.id, 'queued');
    await scheduler.eventually(
      async () => (await scheduler.sql(`SELECT 1 FROM scheduler.runs WHERE id = '${run!.id}' AND dispatched_at IS NOT NULL`)).length === 1,
    );
    scheduler.clock.advance(121_000);
    await scheduler.until(run!.id, 'succeeded');
    expect(scheduler.attempts).toHaveLength(1);
  });

  it('is cancelled before it starts, and while it runs as often as it takes', async () => {
    const heard: unknown[] = [];
    await scheduler.messaging.onSignal('run.cancel', (payload) => heard.push(payload['run']));
    scheduler.scripts.push(startAndStop);
    const run = await backUp();
    await scheduler.until(run.id, 'running');
    expect((await scheduler.call('POST', `/api/v2/runs/${run.id}/cancel`)).status).toBe(202);
    await scheduler.eventually(async () => heard.filter((id) => id === run.id).length >= 3);
    await (await attemptOf(run.id)).finish({ outcome: 'cancelled' });
    await scheduler.until(run.id, 'cancelled');
    expect((await scheduler.call('POST', `/api/v2/runs/${run.id}/cancel`)).body.state).toBe('cancelled');

    const plan = await scheduler.plan();
    scheduler.loseCommands(1);
    const [waiting] = await start(plan.id);
    expect((await scheduler.call('POST', `/api/v2/runs/${waiting!.id}/cancel`)).body).toMatchObject({ state: 'cancelled' });
    await scheduler.tick();
    scheduler.loseCommands(0);
    scheduler.clock.advance(121_000);
    await scheduler.tick();
    expect((await scheduler.call('GET', `/api/v2/runs/${waiting!.id}`)).body).toMatchObject({ state: 'cancelled', startedAt: null });
  });

  it('waits while another one loads the same server', async () => {
    scheduler.scripts.push(startAndStop);
    const plan = await scheduler.plan({ databases: 'all' });
    const runs = await start(plan.id);
    expect(runs).toHaveLength(2);
    const first = await scheduler.eventually(async () => scheduler.attempts[0]);
    await scheduler.until(first.spec.run, 'running');
    await scheduler.tick();
    const other = runs.find((run) => run.id !== first.spec.run)!;
    expect((await scheduler.call('GET', `/api/v2/runs/${other.id}`)).body.state).toBe('due');
    expect((await start(plan.id)).map((run) => run.id).sort()).toEqual(runs.map((run) => run.id).sort());
    await first.finish({ outcome: 'evidence', evidence: evidenceFor(first.spec) });
    await scheduler.until(other.id, 'succeeded');
  });

  it('is followed as events until its end, and from where a reader left off', async () => {
    scheduler.scripts.push(async (attempt) => {
      await attempt.start();
      const line = (message: string) => ({ at: new Date().toISOString(), level: 'info' as const, message });
      await attempt.tell('attempt.log.v1', { lines: [line('one'), line('two')] });
      await attempt.tell('attempt.progress.v1', { phase: 'dumping', bytes: 10, at: new Date().toISOString() });
      await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
    });
    const run = await backUp();
    const follow = async (lastEventId?: string) => {
      const token = await scheduler.application.principalToken(scheduler.admin);
      const response = await fetch(`${scheduler.application.url}/api/v2/runs/${run.id}/events`, {
        headers: { 'rahat-principal': token, ...(lastEventId ? { 'last-event-id': lastEventId } : {}) },
      });
      return response.text();
    };
    const following = follow();
    await scheduler.until(run.id, 'succeeded');
    const text = await following;
    expect(text).toContain('event: log');
    expect(text).toContain('"state":"succeeded"');
    const positions = [...text.matchAll(/id: (\d+)/g)].map((match) => match[1]!);
    const again = await follow(positions.find((position) => position !== '0'));
    expect(again).not.toContain('"one"');
    expect(again).toContain('"two"');
  });
});
