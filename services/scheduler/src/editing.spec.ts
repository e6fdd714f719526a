import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from './testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  scheduler.application.call(method, path, { body, headers, as: scheduler.admin });
const make = async (place: string, body: object): Promise<string> => `${place}/${(await call('POST', place, body)).body.id}`;

/** Each with something to edit of it; the second edit is another one. */
const EDITED: [name: string, make: () => Promise<string>, method: string, first: object, second: object][] = [
  [
    'a server',
    () => make('/api/v2/servers', { name: 'edited', address: ADDRESS, password: PASSWORD }),
    'PATCH',
    { tags: ['one'] },
    { tags: ['two'] },
  ],
  ['a server group', () => make('/api/v2/server-groups', { name: 'edited' }), 'PATCH', { description: 'one' }, { description: 'two' }],
  [
    'a template',
    () => make('/api/v2/templates', { name: 'edited', content: {} }),
    'PATCH',
    { description: 'one' },
    { content: { jitterMinutes: 2 } },
  ],
  ['a plan', async () => `/api/v2/plans/${(await scheduler.plan({ cron: '* * * * *' })).id}`, 'PATCH', { priority: 1 }, { tags: ['two'] }],
  [
    "the organization's scheduling",
    async () => '/api/v2/scheduling',
    'PUT',
    { blackouts: [], limits: { pools: { default: 1 }, storages: {} } },
    { blackouts: [], limits: { pools: { default: 2 }, storages: {} } },
  ],
  [
    'the collection of a repository',
    async () => {
      await scheduler.plan();
      const path = '/api/v2/collections/repository_known';
      // It has its own from the first change on.
      await call('PATCH', path, { undoDays: 7 });
      return path;
    },
    'PATCH',
    { undoDays: 3 },
    { undoDays: 4 },
  ],
];
const LASTING = new Set(["the organization's scheduling", 'the collection of a repository']);

/** So that each of the two edits is a change again. */
function asItWas(body: object): object {
  if ('undoDays' in body) return { undoDays: 7 };
  if (!('id' in body)) return { blackouts: [], limits: { pools: {}, storages: {} } };
  const before = { tags: [], description: '', priority: 50, content: {} };
  return Object.fromEntries(Object.entries(before).filter(([name]) => name in body));
}

describe.each(EDITED)('%s', (name, makeOne, method, first, second) => {
  let path: string;
  const tagOf = async () => (await call('GET', path)).headers.get('etag')!;
  beforeAll(async () => {
    path = await makeOne();
  });

  it('is not sent again to who has it, and has the same tag until somebody edits it', async () => {
    const tag = await tagOf();
    expect(tag).toMatch(/^"[\w-]{27}"$/);
    expect((await call('GET', path, undefined, { 'if-none-match': tag })).status).toBe(304);
    // Its next runs are other ones by then.
    scheduler.clock.advance(120_000);
    expect(await tagOf()).toBe(tag);
  });

  it('is edited by exactly one of two who saw the same', async () => {
    for (let round = 0; round < 5; round++) {
      const tag = await tagOf();
      const both = await Promise.all([first, second].map((body) => call(method, path, body, { 'if-match': tag })));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
      const [winner, loser] = both[0]!.status === 200 ? both : [both[1]!, both[0]!];
      expect(loser!.body).toMatchObject({ code: 'precondition_failed' });
      expect(winner!.headers.get('etag')).toBe(await tagOf());
      expect(await tagOf()).not.toBe(tag);
      expect((await call(method, path, asItWas(winner!.body))).status).toBe(200);
    }
  });

  it('is edited by who says nothing, or that it be there', async () => {
    expect((await call(method, path, first)).status).toBe(200);
    expect((await call(method, path, second, { 'if-match': '*' })).status).toBe(200);
    expect((await call(method, path, first, { 'if-match': `W/${await tagOf()}` })).status).toBe(412);
    expect((await call(method, path, first, { 'if-match': `"other", ${await tagOf()}` })).status).toBe(200);
  });

  if (LASTING.has(name))
    it('is not deleted by anybody', async () => {
      expect((await call('DELETE', path)).status).toBe(405);
      expect((await call('GET', path)).status).toBe(200);
    });
  else
    it('is not deleted by who saw something else', async () => {
      const tag = await tagOf();
      await call(method, path, asItWas((await call('GET', path)).body));
      expect((await call('DELETE', path, undefined, { 'if-match': tag })).status).toBe(412);
      expect((await call('DELETE', path, undefined, { 'if-match': await tagOf() })).status).toBe(204);
      expect((await call('GET', path)).status).toBe(404);
    });
});

describe('what people write on things', () => {
  const finished = async () => {
    const plan = await scheduler.plan({ verify: [] });
    const run = (await call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs[0].id as string;
    const { backup } = await scheduler.until(run, 'succeeded');
    // Retention's first word on a backup is a change that none of the two made.
    const lookedAt = async () => (await call('GET', `/api/v2/backups/${backup}`)).body.retention.reason.startsWith('one of the last');
    await scheduler.eventually(lookedAt);
    return { plan, run, backup: backup! };
  };

  it.each<[what: string, of: 'server' | 'plan' | 'run' | 'backup', method: string, below: string, word: string]>([
    ['the note of a server', 'server', 'PUT', '/note', 'note'],
    ['the note of a plan', 'plan', 'PUT', '/note', 'note'],
    ['the note of a run', 'run', 'PATCH', '', 'note'],
    ['the note of a backup', 'backup', 'PATCH', '', 'note'],
    ['the hold of a backup', 'backup', 'PUT', '/hold', 'reason'],
  ])('%s is changed by exactly one of two who saw the same', async (_what, of, method, below, word) => {
    const { plan, run, backup } = await finished();
    const path = { server: `/api/v2/servers/${plan.server}`, plan: `/api/v2/plans/${plan.id}` }[of as string];
    const shown = path ?? (of === 'run' ? `/api/v2/runs/${run}` : `/api/v2/backups/${backup}`);
    const tagOf = async () => (await call('GET', shown)).headers.get('etag')!;
    for (let round = 0; round < 3; round++) {
      const tag = await tagOf();
      expect((await call('GET', shown, undefined, { 'if-none-match': tag })).status).toBe(304);
      const texts = [`one ${round}`, `two ${round}`];
      const both = await Promise.all(texts.map((text) => call(method, shown + below, { [word]: text }, { 'if-match': tag })));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
      const winner = both.findIndex(({ status }) => status === 200);
      expect(both[winner]!.headers.get('etag')).toBe(await tagOf());
      expect(JSON.stringify((await call('GET', shown)).body)).toContain(texts[winner]);
    }
    expect((await call(method, shown + below, { [word]: 'by who says nothing' })).status).toBe(200);
  });
});
