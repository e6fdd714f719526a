import { execFileSync } from 'node:child_process';
import { chown, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serversGet, type CloudAccountState, type ManagedSnapshot, type Server } from '@rahat/api-client';
import { data } from '@rahat/demo';
import { hasS3, startS3, startTokenGate, type S3Server, type TokenGate } from '@rahat/test-servers';
import { cliEnvironment, rahatBackup } from './cli.js';
import { backUp, protect, type Protection } from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { openWorld, readLogs, type World } from './world.js';

const REGION = 'eu-west-1';
const KEY = { accessKeyId: 'AKIAKNOWN', secretAccessKey: 'planted secret of the key' };

/** A server of our own that checks tokens as Amazon does, and moto in the place of Amazon's API. The tests follow upon each other. */
describe.each(shapes(STANDALONE))('a server that Amazon runs ($form, $queues)', (shape) => {
  let world: World;
  let gate: TokenGate;
  let moto: S3Server | undefined;
  let environment: NodeJS.ProcessEnv;
  let plan: Protection;

  beforeAll(async () => {
    moto = hasS3('moto') ? await startS3('moto') : undefined;
    const settings = moto && { RAHAT_WORKER_RDS_ENDPOINT: moto.endpoint };
    world = await openWorld(['CREATE TABLE kept AS SELECT i AS id FROM generate_series(1, 100) i'], shape, { environment: settings });
    plan = await protect(world);
    const { source } = world;
    gate = await startTokenGate({ host: source.host, port: source.port, region: REGION, ...KEY, lifetimeSeconds: 900 });
    await source.query('CREATE ROLE rds_iam; CREATE ROLE keeper LOGIN SUPERUSER IN ROLE rds_iam');
    const file = (name: string) => path.join(source.dataFolder, name);
    const names = ['-subj', `/CN=${source.host}`, '-keyout', file('server.key'), '-out', file('server.crt')];
    execFileSync('/usr/bin/openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names], { stdio: 'pipe' });
    const { uid, gid } = await stat(source.dataFolder);
    for (const name of ['server.key', 'server.crt']) await chown(file(name), uid, gid);
    await writeFile(file('pg_hba.conf'), gate.hbaLines('keeper') + (await readFile(file('pg_hba.conf'), 'utf8')));
    await source.query('ALTER SYSTEM SET ssl = on');
    await source.restart();
    environment = { ...(await cliEnvironment(world.platform)), HOME: world.folder, RAHAT_SECRET_KEY: KEY.secretAccessKey };
  }, 120_000);
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await gate?.[Symbol.asyncDispose]();
    await moto?.[Symbol.asyncDispose]();
  });

  const server = async (): Promise<Server> => data(serversGet({ client: world.platform.client, path: { id: plan.server } }));

  it('is backed up by tokens in place of the password', async () => {
    const { name } = await server();
    const url = (mode: string) => `postgresql://keeper@${world.source.host}:${world.source.port}/postgres?sslmode=${mode}`;
    const byToken = ['--aws-iam', '--aws-region', REGION, '--aws-access-key', KEY.accessKeyId];
    const plain = await rahatBackup(['server', 'update', name, '--url', url('prefer'), ...byToken], environment);
    expect(plain.error).toMatchObject({ code: 'invalid_input', message: expect.stringContaining('TLS') });
    const changed = await rahatBackup<Server>(['server', 'update', name, '--url', url('require'), ...byToken], environment);
    expect(changed.data).toMatchObject({ keys: ['awsSecretAccessKey'], address: { authentication: { kind: 'aws-iam', region: REGION } } });
    expect((await rahatBackup(['server', 'test', name], environment)).exitCode).toBe(0);
    const again = ['server', 'add', url('require'), '--name', 'again', ...byToken];
    const added = await rahatBackup<{ databases: { name: string }[] }>(again, environment);
    expect(added.data.databases.map((database) => database.name)).toContain('shop');

    gate.shown.length = 0;
    expect((await backUp(world, plan)).state).toBe('succeeded');
    expect(gate.shown.length).toBeGreaterThanOrEqual(3);
    expect(gate.shown.filter(({ fault }) => fault !== undefined)).toEqual([]);
    const logs = await readLogs(world);
    for (const { token } of gate.shown) expect(logs).not.toContain(/X-Amz-Signature=\w+/.exec(token)![0]);
    expect(logs).not.toContain('planted');
  }, 120_000);

  (hasS3('moto') ? it : it.skip)(
    'is shown with the snapshots that lie at Amazon, and with those that vanished there',
    async () => {
      const { name } = await server();
      const amazon = async (action: string, parameters: Record<string, string>) => {
        const authorization = `AWS4-HMAC-SHA256 Credential=${KEY.accessKeyId}/20260101/${REGION}/rds/aws4_request, SignedHeaders=host, Signature=0`;
        const body = new URLSearchParams({ Action: action, Version: '2014-10-31', ...parameters });
        const answer = await fetch(moto!.endpoint, { method: 'POST', headers: { authorization }, body });
        if (!answer.ok) throw new Error(`${action}: ${await answer.text()}`);
      };
      const instance = { DBInstanceIdentifier: 'shop', Engine: 'postgres', DBInstanceClass: 'db.t3.micro', AllocatedStorage: '20' };
      await amazon('CreateDBInstance', { ...instance, MasterUsername: 'postgres', MasterUserPassword: 'password' });
      for (const one of ['before-release', 'after-release'])
        await amazon('CreateDBSnapshot', { DBInstanceIdentifier: 'shop', DBSnapshotIdentifier: one });

      const said = ['--aws-region', REGION, '--aws-access-key', KEY.accessKeyId];
      expect((await rahatBackup(['server', 'cloud-account', name, ...said], environment)).error?.code).toBe('invalid_input');
      expect((await rahatBackup(['server', 'cloud-account', name, ...said, '--instance', 'shop'], environment)).exitCode).toBe(0);
      type Listed = CloudAccountState & { snapshots: ManagedSnapshot[] };
      const listed = (...args: string[]) => rahatBackup<Listed>(['server', 'snapshots', name, ...args], environment);
      const all = await listed('--refresh', '--origin', 'manual');
      expect(all.data).toMatchObject({
        account: { resource: { kind: 'instance', id: 'shop' } },
        recovery: { engine: 'postgres' },
        error: null,
      });
      expect(all.data.snapshots.map((one) => one.name).sort()).toEqual(['after-release', 'before-release']);
      await amazon('DeleteDBSnapshot', { DBSnapshotIdentifier: 'before-release' });
      expect((await listed('--refresh', '--origin', 'manual')).data.snapshots.map((one) => one.name)).toEqual(['after-release']);
      const gone = (await listed('--gone', '--origin', 'manual')).data.snapshots.find((one) => one.name === 'before-release');
      expect(gone?.goneAt).toEqual(expect.any(String));
      await rahatBackup(['server', 'cloud-account', name, '--remove'], environment);
      expect((await listed()).data).toMatchObject({ account: null, snapshots: [] });
      expect(await readLogs(world)).not.toContain('planted');
    },
    120_000,
  );
});
