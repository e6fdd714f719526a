import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { RahatError, type AuthenticatedSubject, type LiveMessage, type Scope } from '@rahat/contracts';
import { InternalClient } from '@rahat/service-kit';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';
import { io, type Socket } from 'socket.io-client';
import { configSchema, GatewayModule, sharedInDatabase } from '../index.js';
import { behind, endRun, EventsBehindController, run } from '../testing/events-behind.js';
import { waitingFor, type LiveServer } from './live-server.js';
import { LiveSockets } from './live-sockets.js';
import { startGatewayDatabase, type GatewayDatabase } from '../testing/gateway-database.js';

const SOCKETS_PER_USER = 4;
const COOKIE = `rhs_${'c'.repeat(43)}`;
const subject = (name: string, organization: string, scopes: Scope[]): AuthenticatedSubject => ({
  kind: 'user',
  subject: name,
  name,
  organization,
  role: 'viewer',
  scopes,
  serverGroups: null,
  expiresAt: '2100-01-01T00:00:00.000Z',
});
const known: Record<string, AuthenticatedSubject> = {
  ada: subject('ada', 'org_1', ['run:read', 'backup:read']),
  [COOKIE]: subject('ada', 'org_1', ['run:read', 'backup:read']),
  bob: subject('bob', 'org_1', ['run:read', 'backup:read']),
  amy: { ...subject('amy', 'org_1', ['run:read', 'backup:read']), serverGroups: ['group_a', 'group_b'] },
  ann: { ...subject('ann', 'org_1', ['run:read', 'backup:read']), serverGroups: ['group_b', 'group_a'] },
  ben: { ...subject('ben', 'org_1', ['run:read', 'backup:read']), serverGroups: ['group_b'] },
  eve: subject('eve', 'org_2', ['run:read', 'backup:read']),
  'no-backups': subject('no-backups', 'org_1', ['run:read']),
  nothing: subject('nothing', 'org_1', []),
  'has-to-enrol': { ...subject('has-to-enrol', 'org_1', ['run:read', 'backup:read']), mustEnrol: true },
};

@Module({})
class BehindModule {}

let application: TestApplication;
let database: GatewayDatabase;
beforeAll(async () => {
  database = await startGatewayDatabase();
  const urls = { RAHAT_SCHEDULER_URL: 'http://127.0.0.1:1' };
  const config = configSchema.parse({ RAHAT_GATEWAY_SOCKETS_PER_USER: SOCKETS_PER_USER });
  application = await startTestApplication((runtime) => {
    const services = new InternalClient(runtime, urls);
    const internal = {
      get: services.get.bind(services),
      stream: services.stream.bind(services),
      post: async (_service: string, _path: string, { credential }: { credential: string }) => {
        if (known[credential] === undefined) throw new RahatError('unauthenticated', 'The session has ended.');
        return known[credential];
      },
    } as unknown as Parameters<typeof GatewayModule.register>[0]['internal'];
    const gateway = GatewayModule.register({ runtime, config, internal, shared: sharedInDatabase(database.database, 'one') });
    return { module: BehindModule, controllers: [EventsBehindController], imports: [gateway] };
  });
  urls.RAHAT_SCHEDULER_URL = application.url;
});
afterAll(async () => {
  await application?.close();
  await database?.[Symbol.asyncDispose]();
});

const clients: Socket[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  behind.beforePage = async () => undefined;
  await until(() => behind.streams.size === 0);
});

function client(token: string | undefined, headers: Record<string, string> = {}): Socket {
  const socket = io(application.url, {
    path: '/api/v2/live',
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: token === undefined ? {} : { token },
    extraHeaders: headers,
  });
  clients.push(socket);
  return socket;
}

async function entered(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('connect_error', (error: Error & { data?: { code: string } }) => resolve(error.data?.code ?? 'refused'));
  });
}

async function listen(token: string, request: object = {}) {
  const socket = client(token);
  const heard: LiveMessage[] = [];
  socket.on('event', (event: LiveMessage) => heard.push(event));
  expect(await entered(socket)).toBe('connected');
  const answer = (await socket.emitWithAck('follow', request)) as { ok: boolean; error?: { code: string } };
  return { socket, heard, answer, numbers: () => heard.flatMap(({ type, data }) => (type === 'run' ? (data as { n: number }).n : [])) };
}

async function until(holds: () => boolean, withinMs = 8_000): Promise<void> {
  for (const end = Date.now() + withinMs; !holds(); await sleep(10)) if (Date.now() > end) throw new Error('That did not come to be.');
}

describe('live events over a socket', () => {
  it('come to all who follow the organization, over one stream of the service behind', async () => {
    const opened = behind.opened;
    const [ada, bob, eve] = [await listen('ada'), await listen('bob'), await listen('eve')];
    expect([ada, bob, eve].map(({ answer }) => answer)).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    await until(() => behind.streams.size === 2);
    behind.tell('org_1', 'run', { n: 1 });
    behind.tell('org_1', 'progress', { bytes: 5 });
    await until(() => ada.heard.length === 3 && bob.heard.length === 3);
    expect(ada.heard).toEqual([
      { type: 'ready', data: {}, id: expect.any(String) },
      { type: 'run', data: { n: 1 }, id: behind.told.at(-1)!.id },
      { type: 'progress', data: { bytes: 5 } },
    ]);
    expect(bob.heard).toEqual(ada.heard);
    expect(eve.heard.map(({ type }) => type)).toEqual(['ready']);
    expect(behind.opened - opened).toBe(2);
    await ada.socket.emitWithAck('unfollow', {});
    bob.socket.disconnect();
    await until(() => behind.streams.size === 1);
  });

  it('tell whoever is limited to server groups what happens there, over one stream for all that are limited alike', async () => {
    const opened = behind.opened;
    const [ada, amy, ann, ben] = [await listen('ada'), await listen('amy'), await listen('ann'), await listen('ben')];
    await until(() => behind.streams.size === 3);
    behind.tell('org_1', 'run', { n: 1 }, 'group_a');
    behind.tell('org_1', 'run', { n: 2 });
    behind.tell('org_1', 'run', { n: 3 }, 'group_b');
    await until(() => [ada, amy, ann, ben].every(({ numbers }) => numbers().includes(3)));
    expect([ada, amy, ann, ben].map(({ numbers }) => numbers())).toEqual([[1, 2, 3], [1, 3], [1, 3], [3]]);
    expect(behind.opened - opened).toBe(3);
    const late = await listen('ben', { lastEventId: ada.heard[0]!.id });
    await until(() => late.numbers().length > 0);
    expect(late.numbers()).toEqual([3]);
  });

  it('go on from the last one that was heard, each once, also while more come', async () => {
    const bob = await listen('bob');
    await until(() => behind.streams.size === 1);
    behind.tell('org_1', 'run', { n: 1 });
    await until(() => bob.heard.length === 2);
    const last = bob.heard.at(-1)!.id;
    for (const n of [2, 3, 4, 5, 6]) behind.tell('org_1', 'run', { n });
    let more = 7;
    behind.beforePage = async () => {
      if (more < 12) behind.tell('org_1', 'run', { n: more++ });
    };
    const ada = await listen('ada', { lastEventId: last });
    behind.tell('org_1', 'run', { n: 100 });
    await until(() => ada.numbers().includes(100) && bob.numbers().includes(100));
    expect(ada.heard[0]!.type).toBe('ready');
    expect(ada.numbers()).toEqual([...Array.from({ length: more - 2 }, (_, index) => index + 2), 100]);
    const lost = await listen('ada', { lastEventId: 'long-gone' });
    expect(lost.heard).toEqual([{ type: 'reset', data: {}, id: expect.any(String) }]);
  });

  it('miss nothing when the service behind goes away and comes back', async () => {
    const ada = await listen('ada');
    await until(() => behind.streams.size === 1);
    behind.tell('org_1', 'run', { n: 1 });
    await until(() => ada.numbers().length === 1);
    behind.breakStreams();
    await until(() => behind.streams.size === 0);
    behind.tell('org_1', 'run', { n: 2 });
    await until(() => behind.streams.size === 1);
    behind.tell('org_1', 'run', { n: 3 });
    await until(() => ada.numbers().length === 3);
    expect(ada.numbers()).toEqual([1, 2, 3]);
  });

  it('of a run begin with its log and end with it', async () => {
    const ada = await listen('ada', { run: run.id, lastEventId: '1' });
    const bob = await listen('bob', { run: run.id });
    const messages = ({ heard }: typeof ada) =>
      heard.filter(({ type }) => type === 'log').map(({ data }) => (data as { message: string }).message);
    expect(messages(ada)).toEqual(['two']);
    expect(messages(bob)).toEqual(['one', 'two']);
    await until(() => ada.heard.length >= 3);
    endRun();
    await until(() => [ada, bob].every(({ heard }) => heard.at(-1)!.type === 'over'));
    expect(ada.heard.at(-2)).toMatchObject({ run: run.id, type: 'run', data: { state: 'succeeded' } });
    expect(await ada.socket.emitWithAck('follow', { run: run.id })).toEqual({ ok: true });
  });
});

describe('who gets in', () => {
  const own = () => new URL(application.url).origin;
  it.each<[string, string | undefined, () => Record<string, string>, string]>([
    ['a bearer credential', 'ada', () => ({}), 'connected'],
    ['one in the header', undefined, () => ({ authorization: 'Bearer ada' }), 'connected'],
    ['a bearer credential from elsewhere', 'ada', () => ({ origin: 'https://evil.example' }), 'connected'],
    ['a session cookie of our own page', undefined, () => ({ cookie: `rahat_session=${COOKIE}`, origin: own() }), 'connected'],
    [
      'a session cookie of another page',
      undefined,
      () => ({ cookie: `rahat_session=${COOKIE}`, origin: 'https://evil.example' }),
      'refused',
    ],
    ['a session cookie of nowhere', undefined, () => ({ cookie: `rahat_session=${COOKIE}` }), 'refused'],
    ['a cookie as a bearer credential', COOKIE, () => ({}), 'unauthenticated'],
    ['nothing', undefined, () => ({}), 'unauthenticated'],
    ['what nobody knows', 'mallory', () => ({}), 'unauthenticated'],
  ])('%s', async (_name, token, headers, expected) => expect(await entered(client(token, headers()))).toBe(expected));

  it.each<[string, object, string]>([
    ['nothing', {}, 'forbidden'],
    ['has-to-enrol', {}, 'forbidden'],
    ['no-backups', {}, 'forbidden'],
    ['nothing', { run: 'run_1' }, 'forbidden'],
    ['eve', { run: 'run_1' }, 'not_found'],
    ['ada', { run: 'run_2' }, 'not_found'],
    ['ada', { run: '../../metrics' }, 'invalid_input'],
    ['ada', { organization: 'org_2' }, 'invalid_input'],
    ['ada', { lastEventId: 'x'.repeat(101) }, 'invalid_input'],
  ])('%s may not follow %j: %s', async (token, request, code) => {
    expect((await listen(token, request)).answer).toMatchObject({ ok: false, error: { code } });
  });

  it('not more than a user has connections, and they are given back', async () => {
    const open = await Promise.all(Array.from({ length: SOCKETS_PER_USER }, () => listen('ada')));
    expect(await entered(client('ada'))).toBe('rate_limited');
    expect(await entered(client('bob'))).toBe('connected');
    open[0]!.socket.disconnect();
    await sleep(50);
    expect(await entered(client('ada'))).toBe('connected');
  });

  it('and who says too much is out', async () => {
    const [large, many] = [await listen('ada'), await listen('bob')];
    large.socket.emit('follow', { run: 'x'.repeat(10_000) });
    for (let sent = 0; sent < 60; sent++) many.socket.emit('nonsense', sent);
    await until(() => large.socket.disconnected && many.socket.disconnected);
    expect((await application.call('GET', '/api/v2/live')).status).toBe(404);
    expect(
      (await application.call('GET', '/api/v2/live?EIO=4&transport=polling', { headers: { authorization: 'Bearer ada' } })).body,
    ).toMatchObject({
      code: 'not_found',
    });
  });

  it('out again within ten seconds of a revocation', async () => {
    known['guest'] = subject('guest', 'org_1', ['run:read', 'backup:read']);
    known['demoted'] = subject('demoted', 'org_1', ['run:read', 'backup:read']);
    const [guest, demoted, ada] = [await listen('guest'), await listen('demoted'), await listen('ada')];
    delete known['guest'];
    known['demoted'] = { ...known['demoted'], scopes: ['run:read'] };
    await until(() => guest.socket.disconnected && demoted.socket.disconnected, 10_000);
    expect(ada.socket.connected).toBe(true);
  }, 20_000);
});

describe('who does not read', () => {
  it('is left without progress first, and without the connection when that does not help; others hear all', async () => {
    const [slow, quick] = [await listen('ada'), await listen('bob')];
    await until(() => behind.streams.size === 1);
    const open = [...(application.get(LiveSockets) as unknown as { server: LiveServer }).server.of('/').sockets.values()];
    const served = open.find(({ data }) => data.subject.subject === 'ada')!;
    (slow.socket.io.engine.transport as unknown as { ws: { _socket: { pause(): void } } }).ws._socket.pause();
    const text = 'x'.repeat(20_000);
    const tell = async (type: string, count: number) => {
      for (let n = 0; n < count; n++) {
        behind.tell('org_1', type, { text });
        if (n % 10 === 9) await sleep(2);
      }
      await until(() => quick.heard.filter((event) => event.type === type).length === count);
    };
    // The systems in between take some megabytes before anything waits here.
    await tell('progress', 1_000);
    expect(waitingFor(served)).toBe(32);
    expect(served.connected).toBe(true);
    await tell('run', 1_000);
    expect(served.connected).toBe(false);
    expect(quick.socket.connected).toBe(true);
  }, 60_000);
});
