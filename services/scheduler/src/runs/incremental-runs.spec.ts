import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QUEUES, type Backup, type BackupEvidence, type BackupSpec, type Run } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../testing/index.js';
import { evidenceFor, failWith, type Script, type TestAttempt } from '../testing/scripts.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
}, 60_000);
afterAll(async () => scheduler[Symbol.asyncDispose]());

const LABELS = { full: 'full · space-incremental', incremental: 'incremental (native)', differential: 'differential (native)' } as const;

/** As a worker that takes what it is told to, where it was given something to take it upon. */
const taken = (change: Partial<BackupEvidence> = {}): Script => {
  return async (attempt: TestAttempt) => {
    const spec = attempt.spec as BackupSpec;
    await attempt.start();
    const type = spec.parent === undefined ? 'full' : (spec.backupType as keyof typeof LABELS);
    const evidence = { ...evidenceFor(spec), label: LABELS[type], parent: spec.parent, consistentAt: new Date().toISOString(), ...change };
    await attempt.finish({
      outcome: 'evidence',
      evidence: { ...evidence, positions: { startLsn: '0/28', endLsn: '0/100', timeline: 1, systemIdentifier: '7' } } as BackupEvidence,
    });
  };
};
const newPlan = (change: object = {}) =>
  scheduler.plan({ method: 'postgresql.physical', databases: 'all', verify: [], retention: { keepLast: 1, keepProven: 1 }, ...change });
const specOf = (run: string) => scheduler.attempts.findLast(({ spec }) => spec.run === run)!.spec as BackupSpec;
const backup = async (id: string): Promise<Backup> => (await scheduler.call('GET', `/api/v2/backups/${id}`)).body;

async function start(plan: string, type: string, ...scripts: Script[]): Promise<Run> {
  scheduler.scripts.push(...scripts);
  const { body } = await scheduler.call('POST', `/api/v2/plans/${plan}/runs?type=${type}`);
  return body.runs[0];
}
async function take(plan: string, type: string, ...scripts: Script[]): Promise<{ spec: BackupSpec; backup: Backup }> {
  const run = await start(plan, type, ...(scripts.length > 0 ? scripts : [taken()]));
  const done = await scheduler.until(run.id, 'succeeded', 'failed');
  return { spec: specOf(run.id), backup: await backup(done.backup!) };
}

describe('a physical plan', () => {
  it('takes each type upon what it is to be taken upon, and the catalog says so', async () => {
    const plan = await newPlan();
    const full = await take(plan.id, 'incremental');
    expect(full.spec).toMatchObject({ backupType: 'incremental', fullBecause: expect.stringContaining('no earlier backup') });
    expect(full.spec.parent).toBeUndefined();
    expect(full.backup).toMatchObject({ type: 'full', parent: null });
    const first = await take(plan.id, 'incremental');
    const second = await take(plan.id, 'incremental');
    const differential = await take(plan.id, 'differential');
    expect([first, second, differential].map(({ spec }) => spec.parent)).toEqual([
      full.spec.snapshot,
      first.spec.snapshot,
      full.spec.snapshot,
    ]);
    expect(second.backup).toMatchObject({ type: 'incremental', parent: first.backup.id });
    expect(differential.backup).toMatchObject({ type: 'differential', parent: full.backup.id });
  });

  it('takes schedules of all three', async () => {
    const plan = await newPlan();
    const schedules = [
      { type: 'full', cron: '0 3 * * 0' },
      { type: 'differential', cron: '0 3 * * 1-6' },
      { type: 'incremental', cron: '0 4-23 * * *' },
    ];
    expect((await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { schedules })).status).toBe(200);
    expect(await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { schedules: [{ type: 'log', cron: '@hourly' }] })).toMatchObject({
      status: 422,
    });
  });

  it('chooses once for an attempt, and anew for the next one', async () => {
    const plan = await newPlan();
    const full = await take(plan.id, 'full');
    const run = await start(plan.id, 'incremental', failWith('source_lost', true), taken());
    await scheduler.until(run.id, 'succeeded');
    const specs = scheduler.attempts.filter(({ spec }) => spec.run === run.id).map(({ spec }) => spec as BackupSpec);
    expect(specs.map(({ attempt, parent }) => [attempt, parent])).toEqual([
      [1, full.spec.snapshot],
      [2, full.spec.snapshot],
    ]);
  });

  it('begins anew where the last backup was found damaged, and takes what rests upon a damaged one for damaged', async () => {
    const plan = await newPlan();
    const full = await take(plan.id, 'full');
    const first = await take(plan.id, 'incremental');
    scheduler.scripts.push(async (attempt) => {
      await attempt.start();
      const findings = [{ code: 'content_damaged', severity: 'blocker', message: 'a bit' }];
      await attempt.finish({ outcome: 'evidence', evidence: { ...evidenceFor(attempt.spec), findings } as never });
    });
    const { body: check } = await scheduler.call('POST', `/api/v2/backups/${full.backup.id}/verify`, { level: 'DATABASE' });
    await scheduler.until(check.id, 'failed', 'partial', 'succeeded');
    expect([(await backup(full.backup.id)).proof, (await backup(first.backup.id)).proof]).toEqual(['damaged', 'damaged']);
    const next = await take(plan.id, 'incremental');
    expect(next.spec.fullBecause).toContain('is damaged');
    expect(next.backup.type).toBe('full');
  });
});

describe('retention', () => {
  it('keeps what a kept backup rests upon, and what one is being taken upon', async () => {
    const plan = await newPlan();
    const old = await take(plan.id, 'full');
    const full = await take(plan.id, 'full');
    await scheduler.eventually(async () => scheduler.removals.some((removal) => removal.backup === old.backup.id));
    const first = await take(plan.id, 'incremental');
    const running = await start(plan.id, 'differential', async (attempt) => attempt.start());
    const attempt = await scheduler.eventually(async () => scheduler.attempts.find(({ spec }) => spec.run === running.id));
    await scheduler.until(running.id, 'running');
    // A person's removal asks the same as retention does.
    const remove = (id: string) => scheduler.call('POST', `/api/v2/backups/${id}/remove`, { reason: 'spec' });
    expect((await remove(full.backup.id)).body.detail).toContain(`${first.backup.id} is restored upon it`);
    expect((await backup(full.backup.id)).retention).toMatchObject({ kept: true });
    await taken()(attempt);
    const differential = await backup((await scheduler.until(running.id, 'succeeded')).backup!);
    await scheduler.eventually(async () => scheduler.removals.some((removal) => removal.backup === first.backup.id));
    expect(await backup(full.backup.id)).toMatchObject({ retention: { kept: true, reason: 'a kept backup is restored upon it' } });
    expect(differential.retention.kept).toBe(true);
  });

  it('lets nothing be taken away upon which a backup is under way', async () => {
    const plan = await newPlan({ retention: { keepLast: 3, keepProven: 1 } });
    const older = await take(plan.id, 'full');
    const run = await start(plan.id, 'incremental', async (attempt) => attempt.start());
    await scheduler.until(run.id, 'running');
    // So that the floor does not keep it.
    await scheduler.sql(`UPDATE scheduler.backups SET state = 'partial' WHERE id = '${older.backup.id}'`);
    const { body } = await scheduler.call('POST', `/api/v2/backups/${older.backup.id}/remove`, { reason: 'spec' });
    expect(body.detail).toContain('another backup is being taken upon it');
  });

  it('brings a backup back with what it rests upon', async () => {
    const plan = await newPlan();
    const full = await take(plan.id, 'full');
    const child = await take(plan.id, 'incremental');
    await take(plan.id, 'full');
    for (const { backup: gone } of [full, child]) {
      await scheduler.eventually(async () => scheduler.removals.some((removal) => removal.backup === gone.id));
      const { organization } = scheduler.admin;
      await scheduler.messaging.send(QUEUES.scheduler, 'snapshot.removed.v1', { organization, backup: gone.id, snapshot: gone.snapshot });
      await scheduler.eventually(async () => (await backup(gone.id)).removedAt);
    }
    expect((await scheduler.call('POST', `/api/v2/backups/${child.backup.id}/bring-back`)).status).toBe(202);
    const returned = await scheduler.eventually(async () => (scheduler.returns.length >= 2 ? scheduler.returns : undefined));
    expect(returned.map(({ backup: id }) => id)).toEqual([full.backup.id, child.backup.id]);
  });
});
