import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type LivePage, type Principal } from '@rahat/contracts';
import { listen, type Heard } from '../testing/listen.js';
import { evidenceFor } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

interface Place {
  group: string;
  server: string;
  plan: string;
}

let scheduler: TestScheduler;
let mine: Place;
let theirs: Place;
let limited: Principal;

async function place(name: string): Promise<Place> {
  const { id: group } = (await scheduler.call('POST', '/api/v2/server-groups', { name })).body;
  const plan = await scheduler.plan();
  await scheduler.call('PATCH', `/api/v2/servers/${plan.server}`, { groups: [group] });
  return { group, server: plan.server, plan: plan.id };
}

beforeAll(async () => {
  scheduler = await startTestScheduler();
  mine = await place('mine');
  theirs = await place('theirs');
  limited = { ...scheduler.admin, serverGroups: [mine.group] };
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const move = (server: string, groups: string[]) => scheduler.call('PATCH', `/api/v2/servers/${server}`, { groups });

async function backUp(plan: string): Promise<string> {
  scheduler.scripts.push(async (attempt) => {
    await attempt.start();
    await attempt.tell('attempt.progress.v1', { phase: 'dumping', bytes: 10, at: new Date().toISOString() });
    await sleep(300);
    await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
  });
  const run = (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs[0].id as string;
  await scheduler.until(run, 'succeeded');
  return run;
}

const tellsEndOf = (run: string) => (heard: Heard[]) => heard.some(({ data }) => data['run'] === run && data['state'] === 'succeeded');
const kindsIn = (heard: Heard[]) => [...new Set(heard.map(({ event }) => event))].toSorted();

describe('whoever is limited to server groups', () => {
  it('hears of changes, backups and progress on their servers and of no other, beside those who hear all', async () => {
    const [all, some] = [await listen(scheduler, '/api/v2/events'), await listen(scheduler, '/api/v2/events', limited)];
    const other = await backUp(theirs.plan);
    const own = await backUp(mine.plan);
    await all.until(tellsEndOf(own));
    const heard = await some.until((events) => tellsEndOf(own)(events) && events.some(({ event }) => event === 'backup.recorded'));
    expect(kindsIn(all.heard)).toEqual(['backup.recorded', 'progress', 'ready', 'run']);
    expect(kindsIn(heard)).toEqual(['backup.recorded', 'progress', 'ready', 'run']);
    expect(all.heard.some(({ data }) => data['run'] === other)).toBe(true);
    const text = JSON.stringify(heard);
    const { backup } = (await scheduler.call('GET', `/api/v2/runs/${other}`)).body;
    expect([other, theirs.server, theirs.plan, backup].filter((id) => text.includes(id))).toEqual([]);
    await all.leave();
    await some.leave();
  });

  it('hears what they missed on their servers, and pages of it, and nothing of the others', async () => {
    const before = await listen(scheduler, '/api/v2/events', limited);
    const position = (await before.until(([first]) => first?.id !== undefined))[0]!.id!;
    await before.leave();
    const other = await backUp(theirs.plan);
    const own = await backUp(mine.plan);
    const after = await listen(scheduler, '/api/v2/events', limited, position);
    expect(JSON.stringify(await after.until(tellsEndOf(own)))).not.toContain(other);
    await after.leave();
    const gateway: Principal = { ...scheduler.application.service('gateway', limited.organization), serverGroups: [mine.group] };
    const page = (await scheduler.call('GET', `/internal/v1/live/since?after=${position}`, undefined, gateway)).body as LivePage;
    expect(JSON.stringify(page.events)).toContain(own);
    expect(JSON.stringify(page.events)).not.toContain(other);
  });

  it('follows runs of their servers; those of others are not there', async () => {
    const other = await backUp(theirs.plan);
    for (const path of [`/api/v2/runs/${other}/events`, `/api/v2/runs/${other}`, `/api/v2/runs/${other}/log`])
      expect([path, (await scheduler.call('GET', path, undefined, limited)).status]).toEqual([path, 404]);
    const gateway: Principal = { ...scheduler.application.service('gateway', limited.organization), serverGroups: [mine.group] };
    for (const path of ['events', 'since'])
      expect((await scheduler.call('GET', `/internal/v1/live/runs/${other}/${path}`, undefined, gateway)).status).toBe(404);
  });

  it('hears nothing more of a server that leaves their groups: the list goes on without it, its runs end', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    scheduler.scripts.push(async (attempt) => {
      await attempt.start();
      await finished;
      await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
    });
    const run = (await scheduler.call('POST', `/api/v2/plans/${mine.plan}/runs`)).body.runs[0].id as string;
    await scheduler.until(run, 'running');
    const list = await listen(scheduler, '/api/v2/events', limited);
    const one = await listen(scheduler, `/api/v2/runs/${run}/events`, limited);
    await one.until((heard) => heard.length > 0);
    await move(mine.server, []);
    const count = one.heard.length;
    finish();
    await scheduler.until(run, 'succeeded');
    await one.ended;
    expect(one.heard.slice(count).filter(({ event }) => event === 'run')).toEqual([]);
    await move(mine.server, [mine.group]);
    const later = await backUp(mine.plan);
    await list.until(tellsEndOf(later));
    await list.leave();
  });

  it('hears nothing by groups that are not there', async () => {
    const nobody = await listen(scheduler, '/api/v2/events', { ...limited, serverGroups: [newId('serverGroup')] });
    const all = await listen(scheduler, '/api/v2/events');
    await all.until(tellsEndOf(await backUp(mine.plan)));
    expect(kindsIn(nobody.heard)).toEqual(['ready']);
    await nobody.leave();
    await all.leave();
  });
});
