import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Backup, Run } from '@rahat/api-client';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { cliEnvironment, rahatBackup } from './cli.js';
import { shapes, STANDALONE } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

/** A week of full and incremental backups in a minute. The tests follow upon each other. */
describe.each(shapes(STANDALONE))('incremental backups, by the command line ($form, $queues)', (shape) => {
  let world: World;
  let source: PostgresqlServer;
  let environment: NodeJS.ProcessEnv;
  const taken: Backup[] = [];

  const run = async <T>(...args: string[]) => {
    const result = await rahatBackup<T>(args, environment);
    if (result.error) throw new Error(JSON.stringify(result.error));
    return result.data;
  };
  const take = async (type: string): Promise<Backup> => {
    const { runs } = await run<{ runs: Run[] }>('backup', 'create', 'hourly', '--type', type);
    const done = await until(`the ${type} backup`, async () => {
      const seen = await run<Run>('run', 'show', runs[0]!.id);
      return ['succeeded', 'partial', 'failed'].includes(seen.state) ? seen : undefined;
    });
    expect(done.reasons).toEqual([]);
    return run<Backup>('backup', 'show', done.backup!);
  };

  beforeAll(async () => {
    world = await openWorld([], shape);
    source = await startPostgresql({ major: 18, settings: { full_page_writes: 'on', wal_level: 'replica', max_wal_senders: '10' } });
    await source.query('CREATE TABLE transfers AS SELECT i FROM generate_series(1, 50000) AS i');
    await source.query('VACUUM FREEZE');
    environment = {
      ...(await cliEnvironment(world.platform)),
      XDG_CONFIG_HOME: path.join(world.folder, 'config'),
      RAHAT_DB_PASSWORD: source.password,
      HOME: world.folder,
    };
    await run('server', 'add', `postgresql://${source.user}@127.0.0.1:${source.port}/postgres?sslmode=disable`, '--name', 'bank');
    await run('storage', 'add', path.join(world.folder, 'storage'), '--name', 'nas');
    const schedules = ['full=0 3 * * 0', 'differential=0 3 * * 1-6', 'incremental=0 4-23 * * *'].flatMap((schedule) => [
      '--schedule',
      schedule,
    ]);
    await run(
      'plan',
      'create',
      '--name',
      'hourly',
      '--server',
      'bank',
      '--repository',
      'nas',
      '--method',
      'physical',
      '--verify',
      'none',
      ...schedules,
    );
  }, 180_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  });

  it('are refused by a server that keeps no summaries of its log, with the line that changes that', async () => {
    const { runs } = await run<{ runs: Run[] }>('backup', 'create', 'hourly', '--type', 'incremental');
    const failed = await until('the refusal', async () => {
      const seen = await run<Run>('run', 'show', runs[0]!.id);
      return seen.state === 'failed' ? seen : undefined;
    });
    expect(JSON.stringify(failed.error)).toContain('summarize_wal');
    await source.query('ALTER SYSTEM SET summarize_wal = on');
    await source.query('SELECT pg_reload_conf()');
  }, 120_000);

  it('begin with a full one, and then hold what changed since the last', async () => {
    taken.push(await take('incremental'));
    expect(taken[0]).toMatchObject({
      type: 'full',
      parent: null,
      findings: expect.arrayContaining([expect.objectContaining({ code: 'full_instead' })]),
    });
    for (const row of [-1, -2]) {
      await source.query(`INSERT INTO transfers VALUES (${row})`);
      taken.push(await take('incremental'));
    }
    const [full, first, second] = taken;
    expect(first).toMatchObject({ type: 'incremental', parent: full!.id });
    expect(second).toMatchObject({ type: 'incremental', parent: first!.id });
    expect(await run<Backup[]>('backup', 'list', '--type', 'incremental')).toHaveLength(2);
  }, 180_000);

  it('are proven by a test restore of the chain, and restored to a folder', async () => {
    const last = taken.at(-1)!;
    const proof = await run<Run>('backup', 'verify', last.id, '--level', 'FULL', '--follow');
    expect(proof.evidence).toMatchObject({
      tablesRead: expect.arrayContaining([expect.objectContaining({ table: 'transfers', rows: 50_002 })]),
    });
    const folder = path.join(world.folder, 'restored');
    const plan = await run<{ id: string }>('restore', 'plan', last.id, '--folder', folder);
    expect((await run<Run>('restore', 'run', plan.id, '--follow')).state).toBe('succeeded');
    const names = await readdir(folder, { recursive: true });
    expect(names).toContain('backup_manifest');
    expect(names.filter((name) => name.includes('INCREMENTAL.'))).toEqual([]);
  }, 180_000);

  it('leave what they rest upon where it is', async () => {
    const { error } = await rahatBackup(['backup', 'remove', taken[0]!.id, '--reason', 'to free space'], environment);
    expect(JSON.stringify(error)).toContain('is restored upon it');
    const kept = await until('retention’s word', async () => {
      const backup = await run<Backup>('backup', 'show', taken[0]!.id);
      return backup.retention.reason.includes('not looked') ? undefined : backup;
    });
    expect(kept.retention.kept).toBe(true);
  }, 60_000);
});
