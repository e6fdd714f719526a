import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deviceLoginsApprove, deviceLoginsGet, sessionsCreate, totpConfirm, totpEnrol, type Me } from '@rahat/api-client';
import { data } from '@rahat/demo';
import { generate } from 'otplib';
import { COMMAND, rahatBackup } from './cli.js';
import { shapes, STANDALONE } from './shapes.js';
import { openWorld, type World } from './world.js';

describe.each(shapes(STANDALONE))('log-in ($form, $queues)', (shape) => {
  let world: World;
  let environment: NodeJS.ProcessEnv;
  beforeAll(async () => {
    world = await openWorld([], shape);
    // A machine of its own: nothing but what `login` keeps.
    environment = { RAHAT_URL: world.platform.url, XDG_CONFIG_HOME: `${world.folder}/config`, HOME: world.folder };
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  it('lets the command line in by a code that its owner approves elsewhere, and out by revoking the key', async () => {
    const child = spawn(process.execPath, [COMMAND, 'login', '--json'], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stdout = text(child.stdout);
    const closed = once(child, 'close');
    let told = '';
    for await (const piece of child.stderr.setEncoding('utf8')) if ((told += piece).includes('Waiting')) break;
    const [, address, userCode] = /(http\S+\/device\?code=([A-Z]{4}-[A-Z]{4}))/.exec(told)!;
    expect((await fetch(address!)).headers.get('content-type')).toContain('text/html');
    const { client } = world.platform;
    expect(await data(deviceLoginsGet({ client, path: { userCode: userCode! } }))).toMatchObject({
      client: expect.stringMatching(/^CLI on /),
    });
    await data(deviceLoginsApprove({ client, body: { userCode: userCode! } }));
    expect((await closed)[0]).toBe(0);
    expect(JSON.parse(await stdout)).toMatchObject({ ok: true, data: { name: 'Owner' } });

    expect((await rahatBackup<Me>(['whoami'], environment)).data).toMatchObject({ kind: 'api-key', role: 'owner' });
    expect((await rahatBackup(['logout'], environment)).data).toMatchObject({ revoked: true });
    expect((await rahatBackup(['whoami'], environment)).exitCode).toBe(3);
  }, 60_000);

  it('asks for the code of an authenticator app once there is one, on the command line and over HTTP', async () => {
    const { client } = world.platform;
    const { secret } = await data(totpEnrol({ client }));
    const { recoveryCodes } = await data(totpConfirm({ client, body: { code: await generate({ secret }) } }));
    const { email, password } = world.owner;
    expect((await sessionsCreate({ client, body: { email, password } })).response?.status).toBe(202);

    const logIn = (proof: NodeJS.ProcessEnv) =>
      rahatBackup(['login', '--email', email], { ...environment, RAHAT_PASSWORD: password, ...proof });
    expect(await logIn({})).toMatchObject({ exitCode: 2 });
    expect(await logIn({ RAHAT_SECOND_FACTOR: 'AAAA-AAAA-AAAA-AAAA' })).toMatchObject({
      exitCode: 3,
      error: { code: 'second_factor_refused' },
    });
    expect((await logIn({ RAHAT_SECOND_FACTOR: recoveryCodes![0] })).exitCode).toBe(0);
    expect((await logIn({ RAHAT_SECOND_FACTOR: recoveryCodes![0] })).exitCode).toBe(3);
    expect((await rahatBackup<Me>(['whoami'], environment)).data).toMatchObject({ kind: 'api-key' });
  }, 60_000);
});
