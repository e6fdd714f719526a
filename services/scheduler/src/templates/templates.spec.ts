import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateTemplate } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import { BUILT_IN_TEMPLATES } from './built-in-templates.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
const call = (method: string, path: string, body?: unknown) => scheduler.call(method, `/api/v2/templates${path}`, body);

describe('templates', () => {
  it('that are built in make plans that are accepted, each as it says', async () => {
    const { server } = await scheduler.plan();
    for (const template of BUILT_IN_TEMPLATES) {
      const plan = await call('POST', `/${template.id}/plans`, {
        name: `from ${template.name}`,
        server,
        repository: 'repository_known',
        timeZone: 'Europe/Istanbul',
      });
      expect([template.name, plan.status]).toEqual([template.name, 201]);
      expect(plan.body).toMatchObject({ retention: template.content.retention, verify: template.content.verify });
      expect(plan.body.schedules[0]).toMatchObject({ cron: template.content.schedules![0]!.cron, timeZone: 'Europe/Istanbul' });
    }
    expect((await call('PATCH', `/${BUILT_IN_TEMPLATES[0]!.id}`, { name: 'x' })).status).toBe(409);
    expect((await call('DELETE', `/${BUILT_IN_TEMPLATES[0]!.id}`)).status).toBe(409);
  });

  it('of the organization go before built-in ones of the same name, and can be exported and imported', async () => {
    const { name } = BUILT_IN_TEMPLATES[0]!;
    const own = (await call('POST', '', { name, description: 'ours', content: { priority: 5 } })).body;
    expect((await call('GET', `/${name}`)).body.id).toBe(own.id);
    expect((await call('POST', '', { name: name.toUpperCase(), content: {} })).status).toBe(409);
    const listed = (await call('GET', '')).body.data;
    expect(listed.map(({ builtIn }: { builtIn: boolean }) => builtIn)).toEqual([false, ...BUILT_IN_TEMPLATES.map(() => true)]);
    const { id: _id, builtIn: _builtIn, ...exported } = (await call('GET', `/${own.id}`)).body;
    expect((await call('POST', '', { ...CreateTemplate.parse(exported), name: 'imported' })).body).toMatchObject({
      description: 'ours',
      content: { priority: 5 },
    });
    expect((await call('PATCH', `/${own.id}`, { content: { priority: 6 } })).body.content).toEqual({ priority: 6 });
    expect((await call('DELETE', `/${own.id}`)).status).toBe(204);
    expect((await call('GET', `/${name}`)).body.builtIn).toBe(true);
  });

  it('give way to what the request says, and refuse what no plan could be', async () => {
    const { server } = await scheduler.plan();
    const plan = await call('POST', '/hourly/plans', {
      name: 'mine',
      server,
      repository: 'repository_known',
      cron: '5 5 * * *',
      priority: 1,
    });
    expect(plan.body).toMatchObject({ priority: 1, schedules: [{ cron: '5 5 * * *' }], retention: { keepLast: 48 } });
    const pointerOf = async (content: object) => (await call('POST', '', { name: 'wrong', content })).body.errors?.[0].pointer;
    expect(await pointerOf({ schedules: [{ cron: 'never' }] })).toBe('#/content/schedules/0/cron');
    expect(await pointerOf({ blackouts: [{ kind: 'weekly', days: ['monday'], from: '08:00', to: '09:00', timeZone: 'Nowhere' }] })).toBe(
      '#/content/blackouts/0/timeZone',
    );
    expect(await pointerOf({ server: 'server_1' })).toBe('#/content');
    expect((await call('GET', '/nothing')).status).toBe(404);
  });
});
