import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QUEUES, type Run } from '@rahat/contracts';
import { failWith, succeed, withEvidence } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const REPOSITORY = 'repository_known';
const DAY_MS = 86_400_000;

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
  await scheduler.plan();
  await scheduler.tick();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const collections = async (query = ''): Promise<Run[]> =>
  (await scheduler.call('GET', `/api/v2/runs?type=collection&repository=${REPOSITORY}${query}`)).body.data;
const start = () => scheduler.call('POST', `/api/v2/collections/${REPOSITORY}/runs`);
const change = (body: object) => scheduler.call('PATCH', `/api/v2/collections/${REPOSITORY}`, body);

describe('the collection of a repository', () => {
  it('stands in the ledger for the next two days, at the hour that its policy says', async () => {
    const [policy] = (await scheduler.call('GET', '/api/v2/collections')).body.data;
    expect(policy).toMatchObject({ repository: REPOSITORY, cron: expect.stringMatching(/^\d+ 4 \* \* \*$/), undoDays: 7, pool: 'default' });
    expect(await collections('&state=expected')).toHaveLength(2);
    expect((await change({ cron: '0 * * * *' })).body).toMatchObject({ cron: '0 * * * *', undoDays: 7 });
    await scheduler.tick();
    expect((await collections('&state=expected')).length).toBeGreaterThanOrEqual(47);
    await change({ cron: null });
    await scheduler.tick();
    expect(await collections('&state=expected')).toEqual([]);
    expect((await change({ cron: 'never' })).body.errors).toMatchObject([{ pointer: '#/cron' }]);
  });

  it('runs on a worker with a key that only writes, told how long removals can be undone, and gives evidence', async () => {
    await change({ undoDays: 3 });
    const started = (await start()).body as Run;
    const run = await scheduler.until(started.id, 'succeeded');
    expect(run).toMatchObject({
      type: 'collection',
      server: null,
      repository: REPOSITORY,
      evidence: { deleted: { packs: 2, bytes: 2000 } },
    });
    const attempt = scheduler.attempts.find(({ spec }) => spec.run === run.id)!;
    expect(attempt.spec).toMatchObject({ type: 'collection', repository: REPOSITORY, undoPeriodSeconds: (3 * DAY_MS) / 1000 + 3600 });
    expect(attempt.secrets).toMatchObject({ repositories: [{ credential: { power: 'write-only' } }] });
    expect([attempt.secrets.source, attempt.secrets.target]).toEqual([undefined, undefined]);
  });

  it('is one at a time; another one is refused and names the first', async () => {
    scheduler.scripts.push(async (attempt) => attempt.start());
    const first = (await start()).body as Run;
    await scheduler.until(first.id, 'running');
    expect(await start()).toMatchObject({ status: 409, body: { hint: expect.stringContaining(first.id) } });
    await succeed(scheduler.attempts.find(({ spec }) => spec.run === first.id)!);
    await scheduler.until(first.id, 'succeeded');
  });

  it('that was missed is caught up once, and one that fails is tried again', async () => {
    await change({ cron: '30 4 * * *' });
    await scheduler.tick();
    scheduler.clock.advance(2 * DAY_MS);
    scheduler.scripts.push(failWith('storage_unreachable', true));
    const run = await scheduler.eventually(async () => (await collections('&state=succeeded')).find(({ attempt }) => attempt === 2));
    expect(run.maxAttempts).toBe(3);
    expect((await collections('&state=missed')).length).toBeGreaterThanOrEqual(1);
    expect((await collections('&state=succeeded')).filter(({ occursAt }) => occursAt === null).length).toBe(3);
    await change({ cron: null });
  });

  it('is partial when it misses what snapshots need, and counts for nothing when it was another repository', async () => {
    scheduler.scripts.push(withEvidence({ missingChunks: 4 }), withEvidence({ repository: 'another' }));
    const partial = await scheduler.until((await start()).body.id, 'partial');
    expect(partial.reasons).toEqual(['4 chunks that snapshots need are in no pack: check the repository.']);
    expect((await scheduler.until((await start()).body.id, 'failed')).error).toMatchObject({ code: 'message_invalid' });
  });

  it('ends what can be undone: the catalog learns which snapshots left the trash', async () => {
    const plan = await scheduler.plan({ retention: { keepProven: 1 } });
    const made: string[] = [];
    for (let time = 0; time < 2; time++) {
      const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
      made.push((await scheduler.until(run.id, 'succeeded')).backup!);
    }
    const { snapshot } = (await scheduler.call('GET', `/api/v2/backups/${made[0]}`)).body;
    await scheduler.call('POST', `/api/v2/backups/${made[0]}/remove`, { reason: 'old' });
    await scheduler.messaging.send(QUEUES.scheduler, 'snapshot.removed.v1', {
      organization: scheduler.admin.organization,
      backup: made[0]!,
      snapshot,
    });
    const trash = async () => (await scheduler.call('GET', '/api/v2/trash')).body.data;
    await scheduler.eventually(async () => (await trash()).length === 1);
    scheduler.scripts.push(withEvidence({ purged: 1, purgedSnapshots: [snapshot] }));
    await scheduler.until((await start()).body.id, 'succeeded');
    expect(await trash()).toEqual([]);
  });

  it('gets a key that reads only where the policy has it rewrite packs', async () => {
    expect((await change({ rewrite: true })).body).toMatchObject({ rewrite: true, undoDays: 3 });
    const run = await scheduler.until((await start()).body.id, 'succeeded');
    const attempt = scheduler.attempts.find(({ spec }) => spec.run === run.id)!;
    expect(attempt.secrets).toMatchObject({ repositories: [{ credential: { power: 'read' } }] });
    expect((await change({ rewrite: false })).body).toMatchObject({ rewrite: false });
  });
});
