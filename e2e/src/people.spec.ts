import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditList, organizationUpdate, sessionsCreate, usersList, type AuditEntry } from '@rahat/api-client';
import { clientOf, data } from '@rahat/demo';
import { cliEnvironment, rahatBackup } from './cli.js';
import { shapes, STANDALONE } from './shapes.js';
import { until } from './until.js';
import { openWorld, readLogs, type World } from './world.js';

const PASSWORD = 'seven otters juggle lanterns';
const NEXT = 'nine badgers paint harbours';

/** How a colleague comes, works, forgets the password and leaves, by the command line. The tests follow upon each other. */
describe.each(shapes(STANDALONE))('people ($form, $queues)', (shape) => {
  let world: World;
  let owner: NodeJS.ProcessEnv;
  let token: string;
  const anonymous = () => ({ RAHAT_URL: world.platform.url, HOME: path.join(world.folder, 'guest') });
  const asOwner = <T>(...args: string[]) => rahatBackup<T>(args, owner);
  const clientWith = (accessToken: string) => clientOf(world.platform.url, accessToken);
  const logIn = async (password: string) => {
    const client = clientOf(world.platform.url);
    const session = await data(sessionsCreate({ client, body: { email: 'vera@example.org', password } }));
    if (!('accessToken' in session)) throw new Error('Vera has no second factor');
    return session;
  };

  beforeAll(async () => {
    world = await openWorld([], shape);
    owner = { ...(await cliEnvironment(world.platform)), HOME: world.folder };
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  it('are invited by a token that is shown once, and refuse a password that everybody has', async () => {
    const invited = await asOwner<{ token: string; role: string }>('user', 'invite', 'vera@example.org', '--role', 'viewer');
    expect(invited.error).toBeUndefined();
    token = invited.data.token;
    const { data: open } = await asOwner<{ email: string; state: string }[]>('user', 'invitations');
    expect(open).toMatchObject([{ email: 'vera@example.org', state: 'open' }]);
    expect(JSON.stringify(open)).not.toContain(token);
    const weak = await rahatBackup(['user', 'accept'], { ...anonymous(), RAHAT_LINK_TOKEN: token, RAHAT_NEW_PASSWORD: 'password1234' });
    expect(weak).toMatchObject({ exitCode: 2, error: { code: 'password_refused' } });
  });

  it('join, log in, and are refused what their role may not do', async () => {
    const accepted = await rahatBackup(['user', 'accept', '--name', 'Vera'], {
      ...anonymous(),
      RAHAT_LINK_TOKEN: token,
      RAHAT_NEW_PASSWORD: PASSWORD,
    });
    expect(accepted.error).toBeUndefined();
    const again = await rahatBackup(['user', 'accept'], { ...anonymous(), RAHAT_LINK_TOKEN: token, RAHAT_NEW_PASSWORD: PASSWORD });
    expect(again).toMatchObject({ exitCode: 3, error: { code: 'link_invalid' } });
    const { accessToken } = await logIn(PASSWORD);
    const vera = { ...anonymous(), RAHAT_TOKEN: accessToken };
    expect((await rahatBackup<{ name: string }>(['organization', 'show'], vera)).data).toMatchObject({ name: 'Demo', members: 2 });
    expect(await rahatBackup(['user', 'list'], vera)).toMatchObject({ exitCode: 3, error: { code: 'forbidden' } });
    expect(await rahatBackup(['organization', 'rename', 'Vera Inc.'], vera)).toMatchObject({ exitCode: 3 });
    expect((await organizationUpdate({ client: clientWith(accessToken), body: { name: 'Vera Inc.' } })).response?.status).toBe(403);
  });

  it('make keys within their own rights', async () => {
    const { accessToken } = await logIn(PASSWORD);
    const vera = { ...anonymous(), RAHAT_TOKEN: accessToken };
    expect(await rahatBackup(['api-key', 'create', '--name', 'mine', '--scope', 'plan:write'], vera)).toMatchObject({ exitCode: 3 });
    const key = await rahatBackup<{ id: string; secret: string }>(
      ['api-key', 'create', '--name', 'mine', '--scope', '*', '--expires', '90d', '--requests-per-minute', '600'],
      vera,
    );
    expect(key.error).toBeUndefined();
    const withKey = { ...anonymous(), RAHAT_TOKEN: key.data.secret };
    expect((await rahatBackup(['organization', 'show'], withKey)).exitCode).toBe(0);
    expect((await rahatBackup(['user', 'list'], withKey)).exitCode).toBe(3);
    const shown = await asOwner<{ createdBy: { name: string }; lastUsedFrom: string }>('api-key', 'show', 'mine');
    expect(shown.data).toMatchObject({
      createdBy: { name: 'Vera' },
      requestsPerMinute: 600,
      lastUsedFrom: expect.stringContaining('127.0.0.1'),
    });
  });

  it('who forgot the password get a link from an owner, or from the console of the machine', async () => {
    const link = await asOwner<{ token: string }>('user', 'reset-link', 'vera@example.org');
    const reset = await rahatBackup(['user', 'new-password'], {
      ...anonymous(),
      RAHAT_LINK_TOKEN: link.data.token,
      RAHAT_NEW_PASSWORD: NEXT,
    });
    expect(reset.error).toBeUndefined();
    await logIn(NEXT);
    const folder = ['--data-folder', path.join(world.folder, 'data')];
    const set = await rahatBackup<{ token?: string }>(['admin', 'reset-password', '--email', 'vera@example.org', '--set', ...folder], {
      RAHAT_NEW_PASSWORD: PASSWORD,
    });
    expect(set.error).toBeUndefined();
    expect(set.data.token).toBeUndefined();
    await logIn(PASSWORD);
    const made = await rahatBackup<{ token: string }>(['admin', 'reset-password', '--email', 'vera@example.org', ...folder], {});
    expect(made.data.token).toMatch(/^rhp_/);
    const elsewhere = await rahatBackup(['admin', 'reset-password', '--email', 'vera@example.org', '--data-folder', world.folder], {});
    expect(elsewhere).toMatchObject({ exitCode: 1, error: { code: 'configuration_invalid' } });
    expect(await rahatBackup(['admin', 'reset-password', '--email', 'nobody@example.org', ...folder], {})).toMatchObject({ exitCode: 4 });
  });

  it('who are removed are out within ten seconds', async () => {
    const { accessToken } = await logIn(PASSWORD);
    const client = clientWith(accessToken);
    expect((await rahatBackup(['user', 'set-role', 'vera@example.org', 'auditor'], owner)).exitCode).toBe(0);
    const removed = await asOwner('user', 'remove', 'Vera');
    expect(removed.error).toBeUndefined();
    await until('the session to end', async () => (await usersList({ client })).response?.status === 401 || undefined, 10_000);
    await expect(logIn(PASSWORD)).rejects.toThrow();
    expect(await asOwner('user', 'remove', 'owner@example.org')).toMatchObject({ exitCode: 5, error: { code: 'last_owner' } });
  });

  it('who own an organization make a further one, and go on in it', async () => {
    const { email, password } = world.owner;
    const own = { ...owner, RAHAT_PASSWORD: password };
    const made = await rahatBackup<{ id: string }>(['organization', 'create', 'Second', '--email', email], own);
    expect(made.error).toBeUndefined();
    const kept = { RAHAT_URL: world.platform.url, RAHAT_PASSWORD: password, XDG_CONFIG_HOME: path.join(world.folder, 'config') };
    const used = await rahatBackup<{ organization: { name: string } }>(['organization', 'use', 'Second', '--email', email], kept);
    expect(used.error).toBeUndefined();
    expect((await rahatBackup<{ name: string }>(['organization', 'show'], kept)).data).toMatchObject({ id: made.data.id, members: 1 });
    expect((await rahatBackup<unknown[]>(['server', 'list'], kept)).data).toEqual([]);
    expect((await asOwner<{ name: string }>('organization', 'show')).data).toMatchObject({ name: 'Demo' });
  });

  it('leave all of it in the trail, and no secret in any log', async () => {
    const wanted = [
      'invitation.created',
      'user.joined',
      'api_key.created',
      'password.reset_link_made',
      'password.reset',
      'user.role_changed',
    ];
    const entries = await entriesUpTo(world, 'user.removed');
    expect(entries.map(({ action }) => action)).toEqual(expect.arrayContaining(wanted));
    expect(entries.some(({ action, actor }) => action === 'password.reset_link_made' && actor.name === 'console of the machine')).toBe(
      true,
    );
    const logs = await readLogs(world);
    for (const secret of [token, PASSWORD, NEXT, world.owner.password]) expect(logs.includes(secret)).toBe(false);
  });
});

/** The trail, once it has that action: entries come over a queue. */
async function entriesUpTo({ platform: { client } }: World, action: string): Promise<AuditEntry[]> {
  return until(
    action,
    async () => {
      const { data: entries } = await data(auditList({ client, query: { limit: 200 } }));
      return entries.some((entry) => entry.action === action) ? entries : undefined;
    },
    20_000,
  );
}
