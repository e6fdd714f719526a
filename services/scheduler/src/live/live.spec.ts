import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, ROLE_SCOPES, type Principal } from '@rahat/contracts';
import { listen as listenTo, type Heard } from '../testing/listen.js';
import { evidenceFor } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import { EventStream } from './event-stream.js';
import { LIVE_EVENTS_KEPT_MS } from './live-events.table.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const listen = (path: string, as?: Principal, lastEventId?: string) => listenTo(scheduler, path, as, lastEventId);

const statesIn = (heard: Heard[], run: string) =>
  heard.filter(({ event, data }) => event === 'run' && data['run'] === run).map(({ data }) => data['state']);

const statesOf = (events: { type: string; data: Record<string, unknown> }[], run: string) =>
  events.filter(({ type, data }) => type === 'run' && data['run'] === run).map(({ data }) => data['state']);

async function backUp(): Promise<string> {
  const plan = await scheduler.plan();
  return (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs[0].id as string;
}

describe('the events of an organization', () => {
  it('tell each change of a run once and in order, to every reader, and progress as it comes', async () => {
    const readers = await Promise.all([listen('/api/v2/events'), listen('/api/v2/events')]);
    scheduler.scripts.push(async (attempt) => {
      // Progress of a run that isn't running is nobody's business.
      await attempt.start();
      await readers[0]!.until((events) => statesIn(events, attempt.spec.run).includes('running'));
      await attempt.tell('attempt.progress.v1', { phase: 'dumping', bytes: 10, at: new Date().toISOString() });
      for (const reader of readers) await reader.until((events) => events.some(({ event }) => event === 'progress'));
      await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
    });
    const run = await backUp();
    await scheduler.until(run, 'succeeded');
    for (const reader of readers) {
      const heard = await reader.until((events) => statesIn(events, run).includes('succeeded'));
      expect(heard[0]).toMatchObject({ event: 'ready', id: expect.stringMatching(/^\d+-\d+-\d+$/) });
      expect(statesIn(heard, run)).toEqual(['queued', 'running', 'succeeded']);
      expect(heard.find(({ event }) => event === 'progress')).toMatchObject({ data: { run, phase: 'dumping', bytes: 10 } });
      await reader.leave();
    }
  });

  it('go on where a reader left off, whatever happened meanwhile', async () => {
    const before = await listen('/api/v2/events');
    const first = await backUp();
    await scheduler.until(first, 'succeeded');
    const seen = await before.until((heard) => statesIn(heard, first).includes('running'));
    await before.leave();
    const last = seen.findLast(({ event, data }) => event === 'run' && data['state'] === 'running')!;
    const second = await backUp();
    await scheduler.until(second, 'succeeded');
    const after = await listen('/api/v2/events', scheduler.admin, last.id);
    const heard = await after.until((events) => statesIn(events, second).includes('succeeded'));
    expect(heard[0]).toMatchObject({ event: 'ready' });
    expect(statesIn(heard, first)).toEqual(['succeeded']);
    expect(statesIn(heard, second)).toEqual(['queued', 'running', 'succeeded']);
    expect(new Set(heard.map(({ id }) => id)).size).toBe(heard.length);
    await after.leave();
  });

  it('say when something was missed for good', async () => {
    const long = scheduler.clock.now().getTime() - LIVE_EVENTS_KEPT_MS - 1;
    for (const id of [`${long}-1-1`, `${Date.now()}-9000000000000000000-1`, 'nonsense', "1' OR true"]) {
      const reader = await listen('/api/v2/events', scheduler.admin, id);
      expect((await reader.until((heard) => heard.length > 0))[0]).toMatchObject({ event: 'reset' });
      await reader.leave();
    }
  });

  it('are heard by nobody else, and need the right to read them', async () => {
    const stranger: Principal = { ...scheduler.admin, organization: newId('organization') };
    const reader = await listen('/api/v2/events', stranger);
    const run = await backUp();
    await scheduler.until(run, 'succeeded');
    const foreign = await listen(`/api/v2/runs/${run}/events`, stranger);
    expect(foreign.status).toBe(404);
    await sleep(300);
    expect(reader.heard.map(({ event }) => event)).toEqual(['ready']);
    await reader.leave();
    const weak: Principal = { ...scheduler.admin, role: 'viewer', scopes: ROLE_SCOPES.viewer.filter((scope) => scope !== 'run:read') };
    for (const path of ['/api/v2/events', `/api/v2/runs/${run}/events`]) expect((await listen(path, weak)).status).toBe(403);
  });

  it('of one run end with it', async () => {
    scheduler.scripts.push(async (attempt) => {
      await attempt.start();
      await attempt.tell('attempt.progress.v1', { phase: 'dumping', bytes: 11, at: new Date().toISOString() });
      await sleep(300);
      await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
    });
    const run = await backUp();
    const reader = await listen(`/api/v2/runs/${run}/events`);
    await scheduler.until(run, 'succeeded');
    await reader.ended;
    expect(reader.heard.find(({ event }) => event === 'progress')).toMatchObject({ data: { attempt: 1, bytes: 11 } });
    expect(reader.heard.findLast(({ event }) => event === 'run')).toMatchObject({ data: { id: run, state: 'succeeded' } });
  });
});

describe('pages of past events', () => {
  const gateway = () => scheduler.application.service('gateway', scheduler.admin.organization);
  const since = async (path: string, after?: string, as: Principal = gateway()) =>
    scheduler.call('GET', `/internal/v1/live${path}${after === undefined ? '' : `?after=${encodeURIComponent(after)}`}`, undefined, as);

  it('begin where a reader left off, and end where the stream goes on', async () => {
    const { body: start } = await since('/since');
    expect(start).toMatchObject({ missed: false, events: [], more: false, over: false });
    const run = await backUp();
    await scheduler.until(run, 'succeeded');
    const page = await scheduler.eventually(async () => {
      const { body } = await since('/since', start.position as string);
      return statesOf(body.events, run).length === 3 && body;
    });
    expect(statesOf(page.events, run)).toEqual(['queued', 'running', 'succeeded']);
    expect((await since('/since', page.position as string)).body).toMatchObject({ missed: false, events: [] });
    expect((await since('/since', 'nonsense')).body).toMatchObject({ missed: true, events: [] });
    const { body: ofRun } = await since(`/runs/${run}/since`);
    expect(ofRun).toMatchObject({ over: true, more: false });
    expect(ofRun.events.at(-1)).toMatchObject({ type: 'run', data: { id: run, state: 'succeeded' } });
  });

  it('are for services, of the organization that they act in', async () => {
    expect((await since('/since', undefined, scheduler.admin)).status).toBe(403);
    const run = await backUp();
    const stranger = scheduler.application.service('gateway', newId('organization'));
    expect((await since(`/runs/${run}/since`, undefined, stranger)).status).toBe(404);
  });
});

describe('a reader that does not read', () => {
  it('is left without progress first, and without the stream when that does not help', async () => {
    const opened = Promise.withResolvers<EventStream>();
    const server = createServer((_request, response) => {
      const stream = new EventStream(response);
      stream.begin();
      opened.resolve(stream);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    const stream = await opened.promise;
    const response = (stream as unknown as { response: { writableLength: number } }).response;
    const kilobyte = { text: 'x'.repeat(1_000) };
    // The systems in between take some megabytes before anything waits here.
    for (let sent = 0; response.writableLength < 32 * 1024 && sent < 50_000; sent++) {
      stream.send({ type: 'run', data: kilobyte });
      if (sent % 100 === 0) await sleep(1);
    }
    const waiting = response.writableLength;
    for (let sent = 0; sent < 100; sent++) stream.sendIfReading({ type: 'progress', data: kilobyte });
    expect(response.writableLength).toBe(waiting);
    expect(stream.closed).toBe(false);
    for (let sent = 0; sent < 1_000 && !stream.closed; sent++) stream.send({ type: 'run', data: kilobyte });
    expect(stream.closed).toBe(true);
    socket.destroy();
    server.closeAllConnections();
    server.close();
  });
});
