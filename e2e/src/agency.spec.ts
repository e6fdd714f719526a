import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { plansCreate, repositoriesList, serversCreate, sessionsCreate } from '@rahat/api-client';
import { clientOf, data } from '@rahat/demo';
import { io } from 'socket.io-client';
import { cliEnvironment, rahatBackup } from './cli.js';
import { shapes, STANDALONE } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

const PASSWORD = 'seven otters juggle lanterns';
const KIM = 'kim@acme.example';

/** An agency backs up its customers' databases and lets a customer's people at their own. The tests follow upon each other. */
describe.each(shapes(STANDALONE))('an agency ($form, $queues)', (shape) => {
  let world: World;
  let agency: NodeJS.ProcessEnv;
  let kim: NodeJS.ProcessEnv;
  let token: string;
  const names = async (command: string[], environment = kim) => {
    const { data: listed, error } = await rahatBackup<{ name: string }[]>(command, environment);
    if (error) throw new Error(JSON.stringify(error));
    return listed.map(({ name }) => name).toSorted();
  };
  const asAgency = async <T>(...args: string[]) => {
    const answer = await rahatBackup<T>(args, agency);
    expect(answer.error).toBeUndefined();
    return answer.data;
  };

  beforeAll(async () => {
    world = await openWorld([], shape);
    agency = { ...(await cliEnvironment(world.platform)), HOME: world.folder };
    const { client } = world.platform;
    const { password, ...address } = world.connection;
    for (const customer of ['acme', 'globex']) {
      const server = await data(serversCreate({ client, body: { name: `${customer}-db`, address, password } }));
      await asAgency('server', 'group', 'create', customer);
      await asAgency('server', 'group', 'add', customer, server.name);
      const [repository] = (await data(repositoriesList({ client }))).data;
      const body = { name: `${customer} nightly`, server: server.id, databases: ['shop'], repository: repository!.id, verify: [] };
      await data(plansCreate({ client, body }));
    }
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  it("invites a customer's operator to the customer's servers", async () => {
    const invited = await asAgency<{ token: string; serverGroups: string[] }>(
      'user',
      'invite',
      KIM,
      '--role',
      'operator',
      '--group',
      'acme',
    );
    expect(invited.serverGroups).toHaveLength(1);
    const guest = { RAHAT_URL: world.platform.url, HOME: path.join(world.folder, 'kim') };
    const accepted = await rahatBackup(['user', 'accept', '--name', 'Kim'], {
      ...guest,
      RAHAT_LINK_TOKEN: invited.token,
      RAHAT_NEW_PASSWORD: PASSWORD,
    });
    expect(accepted.error).toBeUndefined();
    const session = await data(sessionsCreate({ client: clientOf(world.platform.url), body: { email: KIM, password: PASSWORD } }));
    if (!('accessToken' in session)) throw new Error('Kim has no second factor');
    token = session.accessToken;
    kim = { ...guest, RAHAT_TOKEN: token };
    const users = await asAgency<{ email: string; serverGroups: string[] | null }[]>('user', 'list');
    expect(users.find(({ email }) => email === KIM)?.serverGroups).toEqual(invited.serverGroups);
    const refused = await rahatBackup(['user', 'invite', 'x@example.org', '--role', 'auditor', '--group', 'acme'], agency);
    expect(refused.error?.code).toBe('invalid_input');
  });

  it('who sees, backs up and restores those, and finds nothing else', async () => {
    expect(await names(['server', 'list'])).toEqual(['acme-db']);
    expect(await names(['plan', 'list'])).toEqual(['acme nightly']);
    expect(await names(['server', 'list'], agency)).toEqual(expect.arrayContaining(['acme-db', 'globex-db']));
    const key = await rahatBackup<{ secret: string }>(['api-key', 'create', '--name', 'cron', '--scope', '*'], kim);
    expect(await names(['server', 'list'], { ...kim, RAHAT_TOKEN: key.data.secret })).toEqual(['acme-db']);
    const heard: unknown[] = [];
    const socket = io(world.platform.url, { path: '/api/v2/live', transports: ['websocket'], auth: { token } });
    socket.on('event', (event) => heard.push(event));
    try {
      expect(await socket.timeout(20_000).emitWithAck('follow', {})).toEqual({ ok: true });
      await asAgency('backup', 'create', 'globex nightly', '--follow');
      const own = await rahatBackup(['backup', 'create', 'acme nightly', '--follow'], kim);
      expect(own.error).toBeUndefined();
      await until('the end of the own run', async () => JSON.stringify(heard).includes('"succeeded"') || undefined);
    } finally {
      socket.disconnect();
    }
    const [mine] = (await rahatBackup<{ id: string; server: string }[]>(['backup', 'list'], kim)).data;
    const all = await asAgency<{ id: string; server: string; serverName: string }[]>('backup', 'list');
    const other = all.find(({ serverName }) => serverName === 'globex-db')!;
    expect(JSON.stringify(heard)).toContain(mine!.server);
    expect(JSON.stringify(heard)).not.toContain(other.server);
    expect((await rahatBackup(['backup', 'create', 'globex nightly'], kim)).exitCode).not.toBe(0);
    for (const [method, place, status, body] of [
      ['GET', `backups/${other.id}`, 404],
      ['GET', `servers/${other.server}`, 404],
      ['POST', 'restore-plans', 404, { backup: other.id }],
      ['POST', 'restore-plans', 404, { backup: mine!.id, server: other.server }],
      ['POST', 'restore-plans', 201, { backup: mine!.id }],
      ['GET', 'storages', 403],
      ['GET', 'collections', 403],
      ['GET', 'audit', 403],
    ] as [string, string, number, object?][]) {
      const response = await fetch(`${world.platform.url}/api/v2/${place}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
      });
      expect([place, response.status]).toEqual([place, status]);
    }
  }, 120_000);

  it('whose servers are gone for them with the next request when they leave the group, and whose limit is lifted within ten seconds', async () => {
    await asAgency('server', 'group', 'remove', 'acme', 'acme-db');
    expect(await names(['server', 'list'])).toEqual([]);
    expect((await rahatBackup<unknown[]>(['backup', 'list'], kim)).data).toEqual([]);
    await asAgency('user', 'set-role', KIM, 'viewer', '--group', 'globex');
    await until('the other group', async () => (await names(['server', 'list'])).includes('globex-db') || undefined, 10_000);
    await asAgency('user', 'set-role', KIM, 'viewer', '--whole-organization');
    await until('the whole organization', async () => (await names(['server', 'list'])).includes('acme-db') || undefined, 10_000);
  });
});
