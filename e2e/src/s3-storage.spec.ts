import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mismatches, proveTables, shopStatements, type TableProof } from '@rahat/demo';
import { hasS3, startS3, type S3Server } from '@rahat/test-servers';
import { cliEnvironment, rahatBackup } from './cli.js';
import { shapes, STANDALONE } from './shapes.js';
import { openWorld, readLogs, type World } from './world.js';

/** A bucket instead of a folder, by the command line; rclone checks signatures. The tests follow upon each other. */
(hasS3('rclone') ? describe : describe.skip).each(shapes(STANDALONE))('backups in a bucket ($form, $queues)', (shape) => {
  let world: World;
  let bucket: S3Server;
  let environment: NodeJS.ProcessEnv;
  let original: TableProof[];
  let passphrase: string;

  const run = <T>(...args: string[]) => rahatBackup<T>(args, environment);
  const add = (secret: string) =>
    rahatBackup<{ repository: { passphrase: string; location: string }; storage: { settings: object } }>(
      ['storage', 'add', 's3://backups/of/shop', '--name', 'cloud', '--endpoint', bucket.endpoint, '--access-key', bucket.accessKeyId],
      { ...environment, RAHAT_SECRET_KEY: secret },
    );

  beforeAll(async () => {
    bucket = await startS3('rclone');
    await bucket.createBucket('backups');
    world = await openWorld(shopStatements(0.01), shape);
    original = await proveTables(world.connection, 'shop');
    environment = {
      XDG_CONFIG_HOME: path.join(world.folder, 'config'),
      ...(await cliEnvironment(world.platform)),
      RAHAT_DB_PASSWORD: world.connection.password,
      HOME: world.folder,
    };
  }, 180_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await bucket[Symbol.asyncDispose]();
  });

  it('says that a secret is wrong, and adds nothing', async () => {
    const { error, exitCode } = await add('a secret that is wrong');
    expect(error).toMatchObject({ code: 'storage_login_refused', message: expect.stringContaining('s3://backups/of/shop') });
    expect(exitCode).not.toBe(0);
    expect((await run<{ name: string }[]>('storage', 'list')).data.map(({ name }) => name)).not.toContain('cloud');
  });

  it('adds the bucket, and never gives its secret back', async () => {
    const added = await add(bucket.secretAccessKey);
    expect(added.error).toBeUndefined();
    expect(added.data.repository.location).toBe('s3://backups/of/shop/cloud');
    passphrase = added.data.repository.passphrase;
    const listed = await run('storage', 'list');
    expect(JSON.stringify(listed.data)).toContain(bucket.accessKeyId);
    expect(JSON.stringify([added, listed])).not.toContain(bucket.secretAccessKey);
  });

  it('backs up into the bucket and proves it by a test restore', async () => {
    const address = `postgresql://${world.connection.user}@${world.connection.host}:${world.connection.port}/postgres?sslmode=disable`;
    expect((await run('server', 'add', address, '--name', 'shop-db')).error).toBeUndefined();
    const plan = ['plan', 'create', '--name', 'nightly', '--server', 'shop-db', '--repository', 'cloud', '--databases', 'shop'];
    expect((await run(...plan, '--verify', 'FULL')).error).toBeUndefined();
    const made = await run<{ backups: { proof: string }[] }>('backup', 'create', 'nightly', '--follow');
    expect(made.error).toBeUndefined();
    expect(made.data.backups.map(({ proof }) => proof)).toEqual(['FULL']);
  }, 120_000);

  it('restores without the platform: bucket, key and passphrase alone', async () => {
    await world.platform.stop();
    const offline = {
      ...environment,
      RAHAT_PASSPHRASE: passphrase,
      RAHAT_URL: 'http://127.0.0.1:1',
      AWS_ACCESS_KEY_ID: bucket.accessKeyId,
      AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
    };
    const place = `s3://backups/of/shop/cloud?endpoint=${bucket.endpoint}`;
    const check = await rahatBackup(['repository', 'check', '--path', place], offline);
    expect(check.data).toMatchObject({ healthy: true, level: 'deep' });
    const url = `postgresql://${world.connection.user}@${world.connection.host}:${world.connection.port}/postgres`;
    const restored = await rahatBackup(['repository', 'restore', '--path', place, '--to', url, '--as', 'shop_offline'], offline);
    expect(restored.error).toBeUndefined();
    expect(mismatches(original, await proveTables(world.connection, 'shop_offline'))).toEqual([]);
  }, 120_000);

  it('left no secret in the log files', async () => {
    const log = await readLogs(world);
    for (const secret of [bucket.secretAccessKey, passphrase]) expect(log).not.toContain(secret);
  });
});
