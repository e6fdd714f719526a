import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RahatError, type Principal } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
let handled: string[];
let broken: boolean;
const QUEUE = 'broken-queue';

beforeAll(async () => {
  scheduler = await startTestScheduler();
  handled = [];
  broken = true;
  scheduler.messaging.work(
    QUEUE,
    {
      'snapshot.removed.v1': async ({ backup }) => {
        if (broken) throw new RahatError('not_found', 'no such backup');
        handled.push(backup);
      },
      'attempt.heartbeat.v1': async () => {
        throw new RahatError('not_found', 'no such run');
      },
    },
    { concurrency: 1 },
  );
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const letters = async (query = '', as: Principal = scheduler.admin) =>
  (await scheduler.call('GET', `/api/v2/dead-letters${query}`, undefined, as)).body;

async function bury(backup: string, organization = scheduler.admin.organization): Promise<string> {
  await scheduler.messaging.send(QUEUE, 'snapshot.removed.v1', { organization, backup, snapshot: 's' }, { id: `message_${backup}` });
  return `${QUEUE}_message_${backup}`;
}

describe('dead letters', () => {
  it('are listed, looked at, retried and discarded by an owner, and the trail knows', async () => {
    const [one, two] = [await bury('one'), await bury('two')];
    await scheduler.eventually(async () => (await letters()).data.length === 2);
    const page = await letters('?limit=1');
    expect(page).toMatchObject({ data: [{ queue: QUEUE, name: 'snapshot.removed.v1' }], page: { hasMore: true } });
    const rest = await letters(`?limit=1&cursor=${page.page.nextCursor}`);
    expect([page.data[0].id, rest.data[0].id].sort()).toEqual([one, two].sort());
    expect(rest.page.hasMore).toBe(false);
    expect((await scheduler.call('GET', `/api/v2/dead-letters/${one}`)).body).toMatchObject({ payload: { backup: 'one' } });

    broken = false;
    expect((await scheduler.call('POST', `/api/v2/dead-letters/${one}/retry`)).status).toBe(204);
    await scheduler.eventually(async () => handled.includes('one'));
    expect((await scheduler.call('DELETE', `/api/v2/dead-letters/${two}`)).status).toBe(204);
    expect((await letters()).data).toEqual([]);
    expect((await scheduler.call('POST', `/api/v2/dead-letters/${two}/retry`)).status).toBe(404);
    expect(handled).toEqual(['one']);
    expect(scheduler.told.map(({ payload }) => (payload as { action?: string }).action)).toEqual(
      expect.arrayContaining(['dead-letter.retried', 'dead-letter.discarded']),
    );
  });

  it('of another organization are not there, and weaker roles see none', async () => {
    broken = true;
    const foreign = await bury('foreign', 'org_other');
    const own = await bury('own');
    await scheduler.eventually(async () => (await letters()).data.length === 1);
    expect((await letters()).data.map(({ id }: { id: string }) => id)).toEqual([own]);
    expect((await scheduler.call('GET', `/api/v2/dead-letters/${foreign}`)).status).toBe(404);
    expect((await scheduler.call('DELETE', `/api/v2/dead-letters/${foreign}`)).status).toBe(404);
    const run = (await scheduler.call('POST', `/api/v2/plans/${(await scheduler.plan()).id}/runs`)).body.runs[0].id as string;
    const beat = { run, attempt: 1, worker: 'one', at: new Date().toISOString() };
    await scheduler.messaging.send(QUEUE, 'attempt.heartbeat.v1', beat, { id: 'message_beat' });
    await scheduler.eventually(async () => (await letters()).data.length === 2);
    const stranger: Principal = { ...scheduler.admin, organization: 'org_stranger' };
    expect((await letters('', stranger)).data).toEqual([]);
    expect((await scheduler.call('DELETE', `/api/v2/dead-letters/${QUEUE}_message_beat`, undefined, stranger)).status).toBe(404);
    expect((await scheduler.call('DELETE', `/api/v2/dead-letters/${QUEUE}_message_beat`)).status).toBe(204);
    const operator: Principal = { ...scheduler.admin, role: 'operator', scopes: ['run:write', 'backup:read'] };
    expect((await scheduler.call('GET', '/api/v2/dead-letters', undefined, operator)).status).toBe(403);
  });
});
