import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QUEUES, type Backup, type Principal } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const get = async (path: string) => (await scheduler.call('GET', path)).body;
const post = (path: string, body?: object, as?: Principal) => scheduler.call('POST', path, body, as);
const backup = (id: string): Promise<Backup> => get(`/api/v2/backups/${id}`);
async function backUp(plan: string, times = 1): Promise<string[]> {
  const made: string[] = [];
  for (let time = 0; time < times; time++) {
    const [started] = (await post(`/api/v2/plans/${plan}/runs`)).body.runs;
    made.push((await scheduler.until(started.id, 'succeeded')).backup!);
  }
  return made;
}
const remove = (id: string) => post(`/api/v2/backups/${id}/remove`, { reason: 'holds a mistake' });
/** As the storage answers. */
const answer = async (name: 'snapshot.removed.v1' | 'snapshot.returned.v1', id: string, error?: object) => {
  const { snapshot } = await backup(id);
  await scheduler.messaging.send(QUEUES.scheduler, name, {
    organization: scheduler.admin.organization,
    backup: id,
    snapshot,
    ...(error ? { error } : {}),
  } as never);
};
async function trashed(id: string): Promise<void> {
  await remove(id);
  await scheduler.eventually(async () => scheduler.removals.some((removal) => removal.backup === id));
  await answer('snapshot.removed.v1', id);
  await scheduler.eventually(async () => (await backup(id)).removedAt);
}
const trash = async (): Promise<{ backup: string; state: string }[]> => (await get('/api/v2/trash?repository=repository_known')).data;

describe('the trash', () => {
  it('takes what a person removes, tells until when it can be undone, and gives it back with its proof, held', async () => {
    const plan = await scheduler.plan({ verify: ['FULL'], retention: { keepProven: 1 } });
    const [first, second] = await backUp(plan.id, 2);
    for (const id of [first!, second!]) await scheduler.eventually(async () => (await backup(id)).proof === 'FULL');
    await trashed(first!);
    const [entry] = await trash();
    expect(entry).toMatchObject({
      backup: first,
      state: 'trashed',
      reason: 'removed by Ada: holds a mistake',
      proof: 'FULL',
      sizeBytes: 1000,
      addedBytes: 100,
    });
    const { removedAt, undoUntil } = entry as unknown as { removedAt: string; undoUntil: string };
    expect(Date.parse(undoUntil) - Date.parse(removedAt)).toBe(7 * 86_400_000);
    expect((await post(`/api/v2/backups/${first}/verify`, {})).status).toBe(409);

    expect((await post(`/api/v2/backups/${first}/bring-back`)).status).toBe(202);
    expect((await trash())[0]).toMatchObject({ state: 'returning' });
    await scheduler.eventually(async () => scheduler.returns.some((command) => command.backup === first));
    await answer('snapshot.returned.v1', first!, { code: 'storage_unreachable', message: 'unplugged', retryable: true });
    await scheduler.eventually(async () => (await trash()).some((entry) => 'error' in entry && entry.error));
    scheduler.clock.advance(61_000);
    await scheduler.eventually(async () => scheduler.returns.filter((command) => command.backup === first).length === 2);
    await answer('snapshot.returned.v1', first!);
    const back = await scheduler.eventually(async () => ((found) => found.retention.kept && found)(await backup(first!)));
    expect(back).toMatchObject({ proof: 'FULL', removedAt: null, hold: { reason: 'brought back from the trash', by: 'Ada' } });
    expect(await trash()).toEqual([]);
    expect((await post(`/api/v2/backups/${first}/bring-back`)).status).toBe(409);
  });

  it('takes nothing that floor or holds keep', async () => {
    const plan = await scheduler.plan({ verify: ['BASIC'], retention: { keepProven: 2 } });
    const made = await backUp(plan.id, 3);
    for (const id of made) await scheduler.eventually(async () => (await backup(id)).proof === 'BASIC');
    for (const id of made.slice(1))
      expect((await remove(id)).body).toMatchObject({ detail: expect.stringMatching(/one of the last 2 proven/) });
    await scheduler.call('PUT', `/api/v2/backups/${made[0]}/hold`, { reason: 'audit' });
    expect(await remove(made[0]!)).toMatchObject({ status: 409, body: { detail: 'This backup stays: held: audit' } });
    await scheduler.call('DELETE', `/api/v2/backups/${made[0]}/hold`);
    expect((await remove(made[0]!)).status).toBe(202);
    expect((await post(`/api/v2/backups/${made[0]}/bring-back`)).body).toMatchObject({ detail: expect.stringMatching(/on its way/) });
  });

  it('brings back what a command that came twice removed after the undo', async () => {
    const plan = await scheduler.plan({ retention: { keepProven: 1 } });
    const [first] = await backUp(plan.id, 2);
    await trashed(first!);
    await post(`/api/v2/backups/${first}/bring-back`);
    await answer('snapshot.returned.v1', first!);
    await scheduler.eventually(async () => (await backup(first!)).removedAt === null);
    const before = scheduler.returns.filter((command) => command.backup === first).length;
    await answer('snapshot.removed.v1', first!);
    await scheduler.eventually(async () => scheduler.returns.filter((command) => command.backup === first).length > before);
    expect(await backup(first!)).toMatchObject({ removedAt: null, retention: { kept: true } });
  });

  it('does not promise what a collection took away for ever', async () => {
    const plan = await scheduler.plan({ retention: { keepProven: 1 } });
    const [first] = await backUp(plan.id, 2);
    await trashed(first!);
    await post(`/api/v2/backups/${first}/bring-back`);
    await answer('snapshot.returned.v1', first!, { code: 'snapshot_not_found', message: 'no such snapshot', retryable: false });
    await scheduler.eventually(async () => (await trash()).length === 0);
    expect((await post(`/api/v2/backups/${first}/bring-back`)).body.detail).toMatch(/for ever/);
  });
});
