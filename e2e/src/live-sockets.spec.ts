import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { apiKeysCreate, apiKeysRevoke } from '@rahat/api-client';
import type { LiveMessage } from '@rahat/contracts';
import { data, gatewaysOf } from '@rahat/demo';
import { io, type Socket } from 'socket.io-client';
import { backUp, protect, type Protection } from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

describe.each(shapes(STANDALONE))('live events over sockets ($form, $queues)', (shape) => {
  let world: World;
  let gateways: string[];
  let protection: Protection;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    world = await openWorld(['CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id'], shape);
    protection = await protect(world);
    gateways = gatewaysOf(world.platform);
  }, 180_000);
  afterAll(async () => {
    for (const socket of sockets) socket.disconnect();
    await world?.[Symbol.asyncDispose]();
  });

  const makeKey = () => data(apiKeysCreate({ client: world.platform.client, body: { name: 'live', scopes: ['run:read', 'backup:read'] } }));

  async function listen(gateway: string, token: string, request: object = {}) {
    const socket = io(gateway, { path: '/api/v2/live', transports: ['websocket'], forceNew: true, reconnection: false, auth: { token } });
    sockets.push(socket);
    const heard: LiveMessage[] = [];
    socket.on('event', (event: LiveMessage) => heard.push(event));
    expect(await socket.timeout(10_000).emitWithAck('follow', request)).toEqual({ ok: true });
    return { socket, heard };
  }

  const statesIn = (heard: LiveMessage[], run: string) =>
    heard.flatMap(({ type, data }) => {
      const { run: id, state } = data as { run?: string; state: string };
      return type === 'run' && id === run ? [state] : [];
    });

  const heardOf = (holds: () => boolean, limitMs = 20_000) => until('the events', async () => holds() || undefined, limitMs);

  it('tell each change of a run at every gateway, go on after a pause, and end with the key', async () => {
    const { id, secret } = await makeKey();
    const readers = await Promise.all([...gateways, gateways[0]!].map((gateway) => listen(gateway, secret)));
    const first = await backUp(world, protection);
    for (const { heard } of readers) {
      await heardOf(() => statesIn(heard, first.id).includes('succeeded'));
      expect(heard[0]!.type).toBe('ready');
      expect(statesIn(heard, first.id)).toEqual(['queued', 'running', 'succeeded']);
    }
    const [gone, ...others] = readers;
    const last = gone!.heard.findLast((event) => event.id !== undefined)!.id;
    gone!.socket.disconnect();
    const second = await backUp(world, protection);
    const back = await listen(gateways.at(-1)!, secret, { lastEventId: last });
    await heardOf(() => statesIn(back.heard, second.id).includes('succeeded'));
    expect(statesIn(back.heard, first.id)).toEqual([]);
    expect(statesIn(back.heard, second.id)).toEqual(['queued', 'running', 'succeeded']);

    const ofRun = await listen(gateways[0]!, secret, { run: second.id });
    await heardOf(() => ofRun.heard.at(-1)?.type === 'over');
    expect(ofRun.heard.some(({ type }) => type === 'log')).toBe(true);
    expect(ofRun.heard.findLast(({ type }) => type === 'run')).toMatchObject({ data: { id: second.id, state: 'succeeded' } });

    await data(apiKeysRevoke({ client: world.platform.client, path: { id } }));
    await heardOf(() => [...others, back, ofRun].every(({ socket }) => socket.disconnected), 10_000);
  }, 90_000);
});
