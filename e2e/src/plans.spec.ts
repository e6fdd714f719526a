import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AppliedDocuments, type Plan, type Run, type ScheduleExplanation, type Server } from '@rahat/api-client';
import { cliEnvironment, rahatBackup } from './cli.js';
import { installGate, type Gate } from './gate.js';
import { shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, type World } from './world.js';

/** Plans as a platform engineer keeps them: documents, groups, tags, templates. The tests follow upon each other. */
describe.each(shapes(STANDALONE))('plans, by the command line ($form, $queues)', (shape) => {
  let world: World;
  let gate: Gate;
  let environment: NodeJS.ProcessEnv;
  let documents: string;
  const run = <T>(...args: string[]) => rahatBackup<T>(args, environment);

  beforeAll(async () => {
    world = await openWorld(['CREATE TABLE orders AS SELECT i AS id FROM generate_series(1, 1000) i'], shape);
    gate = await installGate(world);
    await world.source.query('CREATE DATABASE shop_test');
    environment = {
      XDG_CONFIG_HOME: path.join(world.folder, 'config'),
      HOME: world.folder,
      ...(await cliEnvironment(world.platform)),
      SHOP_PASSWORD: world.connection.password,
    };
    const passphrase = path.join(world.folder, 'passphrase');
    await writeFile(passphrase, 'correct horse battery staple\n');
    documents = path.join(world.folder, 'rahat.yaml');
    await writeFile(documents, yaml(world, passphrase));
  }, 180_000);
  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  it('are applied as documents, and applied again without a change', async () => {
    const compared = await run<AppliedDocuments>('diff', '-f', documents);
    expect([compared.exitCode, compared.error]).toEqual([7, undefined]);
    const applied = await run<AppliedDocuments>('apply', '-f', documents);
    expect(applied.error).toBeUndefined();
    expect(applied.data.changes.map(({ kind, action }) => `${action} ${kind}`)).toEqual([
      'create ServerGroup',
      'create Storage',
      'create Repository',
      'create Server',
      'create Plan',
    ]);
    expect((await run('diff', '-f', documents)).exitCode).toBe(0);
    expect((await run<AppliedDocuments>('apply', '-f', documents)).data.changes.every(({ action }) => action === 'unchanged')).toBe(true);

    const exported = path.join(world.folder, 'exported.json');
    await writeFile(exported, JSON.stringify((await run('export')).data));
    expect((await run('diff', '-f', exported)).exitCode).toBe(0);
  }, 60_000);

  it('back up what they select, and prove it', async () => {
    const result = await run<{ runs: Run[]; backups: { databaseName: string; proof: string }[] }>(
      'backup',
      'create',
      'nightly',
      '--follow',
    );
    expect(result.error).toBeUndefined();
    expect(result.data.backups).toMatchObject([{ databaseName: 'shop', proof: 'BASIC' }]);
    const id = result.data.runs[0]!.id;
    expect((await run<Run>('run', 'show', id)).data).toMatchObject({ state: 'succeeded', backupType: 'full' });
    expect((await run<Run[]>('run', 'list', '--plan', 'nightly', '--state', 'succeeded')).data.map((one) => one.id)).toContain(id);
    expect((await run<unknown[]>('run', 'logs', id)).data.length).toBeGreaterThan(0);
  }, 120_000);

  it('are found by tags, changed, paused and resumed', async () => {
    expect((await run<Server>('server', 'tag', 'shop-db', '--add', 'env=prod', '--add', 'critical')).data.tags).toEqual([
      'env=prod',
      'critical',
    ]);
    expect((await run<Server[]>('server', 'list', '--tag', 'env')).data.map(({ name }) => name)).toEqual(['shop-db']);
    expect((await run<Plan>('plan', 'update', 'nightly', '--priority', '10', '--keep-last', '5')).data).toMatchObject({
      priority: 10,
      retention: { keepLast: 5 },
    });
    expect((await run<Plan>('plan', 'pause', 'nightly', '--reason', 'migration')).data).toMatchObject({
      enabled: false,
      pause: { reason: 'migration' },
    });
    expect(
      (await run<AppliedDocuments>('diff', '-f', documents)).data.changes
        .find(({ kind }) => kind === 'Plan')!
        .fields.map((field) => field.path),
    ).toEqual(['paused', 'priority', 'retention.keepLast']);
    expect((await run<Plan>('plan', 'resume', 'nightly')).data.enabled).toBe(true);
    expect((await run('plan', 'update', 'nightly')).exitCode).toBe(2);
    expect((await run('plan', 'show', 'nothing')).exitCode).toBe(4);
  }, 60_000);

  it('are explained, with the collision that a second one would make', async () => {
    const { data: explanations } = await run<ScheduleExplanation[]>(
      'plan',
      'explain',
      '35 2 * * *',
      '--time-zone',
      'Europe/Berlin',
      '--server',
      'shop-db',
      '--lang',
      'tr',
    );
    expect(explanations[0]).toMatchObject({ inWords: 'Saat 02:35 (Europe/Berlin)' });
    expect(explanations[0]!.collisions.map(({ name }) => name)).toContain('nightly');
  }, 30_000);

  it('are made of templates', async () => {
    const templates = await run<{ name: string }[]>('template', 'list');
    expect(templates.data.map(({ name }) => name)).toContain('nightly-30-days');
    const created = await run<Plan>(
      'plan',
      'create',
      '--template',
      'nightly-30-days',
      '--name',
      'long',
      '--server-group',
      'Europe',
      '--repository',
      'vault',
      '--time-zone',
      'Europe/Istanbul',
    );
    expect(created.error).toBeUndefined();
    expect(created.data).toMatchObject({ retention: { keepLast: 30 }, schedules: [{ timeZone: 'Europe/Istanbul' }] });
    const refused = await run(
      'plan',
      'create',
      '--name',
      'x',
      '--server',
      'shop-db',
      '--repository',
      'vault',
      '--schedule',
      'incremental=@daily',
    );
    expect([refused.exitCode, refused.error?.code]).toEqual([2, 'backup_type_unsupported']);
    expect((await run('plan', 'delete', 'long')).error).toBeUndefined();
  }, 60_000);

  it('let a run be held up while it dumps, and finish whole', async () => {
    await fillWithNoise(world, 20);
    // A command takes its time; the dump must not be over before it is heard.
    gate.closeAfter(10e6);
    const { data: started } = await run<{ runs: Run[] }>('backup', 'create', 'nightly');
    const [{ id }] = started.runs as [Run];
    const until = async (reached: (state: Run) => boolean): Promise<Run> => {
      for (;;) {
        const { data: current } = await run<Run>('run', 'show', id);
        if (reached(current)) return current;
        await sleep(50);
      }
    };
    await until(({ progress }) => (progress?.bytes ?? 0) > 0);
    expect((await run<Run>('run', 'pause', id)).error).toBeUndefined();
    await until(({ progress }) => progress?.phase === 'paused');
    gate.open();
    expect((await run<Run>('run', 'resume', id)).error).toBeUndefined();
    const ended = await until(({ finishedAt }) => finishedAt !== null);
    const { data: log } = await run('run', 'logs', id);
    // The log tells why there was a second attempt, where there was one.
    expect([ended.attempt, ended.state, ended.reasons, ended.attempt > 1 && log]).toEqual([1, 'succeeded', [], false]);
  }, 120_000);
});

function yaml({ connection, folder }: World, passphraseFile: string): string {
  return `
apiVersion: rahat.io/v1alpha1
kind: Plan
metadata: { name: nightly }
spec:
  servers: { groups: [Europe] }
  repository: vault
  databases: { include: ['shop*'], exclude: ['*_test'] }
  schedules: [{ cron: '30 2 * * *', timeZone: Europe/Berlin }]
  verify: [BASIC]
---
apiVersion: rahat.io/v1alpha1
kind: Server
metadata: { name: shop-db }
spec:
  address: { host: '${connection.host}', port: ${connection.port}, user: ${connection.user}, tls: disable }
  password: { secretRef: { env: SHOP_PASSWORD } }
  groups: [Europe]
---
apiVersion: rahat.io/v1alpha1
kind: Repository
metadata: { name: vault }
spec: { storage: cellar, passphrase: { secretRef: { file: ${passphraseFile} } } }
---
apiVersion: rahat.io/v1alpha1
kind: Storage
metadata: { name: cellar }
spec: { settings: { driver: local, path: ${path.join(folder, 'cellar')} } }
---
apiVersion: rahat.io/v1alpha1
kind: ServerGroup
metadata: { name: Europe }
`;
}
