import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mismatches, proveTables, shopStatements, type TableProof } from '@rahat/demo';
import { cliEnvironment, rahatBackup } from './cli.js';
import { CLUSTER, shapes, STANDALONE } from './shapes.js';
import { complaintsOfPromtool, documentedNames, namesIn, scrape } from './metrics.js';
import { openWorld, readLogs, type World } from './world.js';

interface Created {
  repository: { passphrase: string; location: string };
}

/** One person's first day with the command line, on real servers. The tests follow upon each other. */
describe.each(shapes(STANDALONE, CLUSTER))('the main job, by the command line ($form, $queues)', (shape) => {
  let world: World;
  let environment: NodeJS.ProcessEnv;
  let original: TableProof[];
  let repository: Created['repository'];

  const run = <T>(...args: string[]) => rahatBackup<T>(args, environment);

  beforeAll(async () => {
    world = await openWorld(shopStatements(0.02), shape);
    original = await proveTables(world.connection, 'shop');
    environment = {
      XDG_CONFIG_HOME: path.join(world.folder, 'config'),
      RAHAT_URL: world.platform.url,
      RAHAT_DB_PASSWORD: world.connection.password,
      HOME: world.folder,
    };
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  it('asks for a login first, with exit code 3', async () => {
    const { exitCode, error } = await run('status');
    expect(exitCode).toBe(3);
    expect(error?.code).toBe('unauthenticated');
  });

  it('takes an API key and shows that the platform protected itself', async () => {
    Object.assign(environment, await cliEnvironment(world.platform));
    const deadline = Date.now() + 120_000;
    for (;;) {
      const { data: status } = await run<{ databases: { state: string; serverName: string }[] }>('status');
      const itself = status.databases.find(({ serverName }) => /metadata/i.test(serverName));
      if (itself?.state === 'proven') break;
      if (Date.now() > deadline) throw new Error(`the platform did not prove itself: ${JSON.stringify(status)}`);
    }
  }, 150_000);

  it('refuses a server whose password is wrong, and says so', async () => {
    const { exitCode, error } = await rahatBackup(['server', 'add', address(world), '--name', 'wrong'], {
      ...environment,
      RAHAT_DB_PASSWORD: 'not the password',
    });
    expect(exitCode).not.toBe(0);
    expect(error?.code).toBe('source_authentication_failed');
    expect(error?.hint).toMatch(/password/i);
  });

  it('adds a server, a storage and a plan', async () => {
    const server = await run<{ databases: { name: string }[] }>('server', 'add', address(world), '--name', 'shop-db');
    expect(server.error).toBeUndefined();
    expect(server.data.databases.map(({ name }) => name)).toContain('shop');
    const storage = await run<Created>('storage', 'add', path.join(world.folder, 'storage'), '--name', 'nas');
    expect(storage.error).toBeUndefined();
    repository = storage.data.repository;
    expect(repository.passphrase.length).toBeGreaterThan(20);
    const plan = await run<{ cronInWords: string }>(
      'plan',
      'create',
      '--name',
      'nightly',
      '--server',
      'shop-db',
      '--repository',
      'nas',
      '--databases',
      'shop',
      '--cron',
      '0 3 * * *',
      '--time-zone',
      'Europe/Istanbul',
      '--verify',
      'BASIC,DATABASE,FULL',
    );
    expect(plan.error).toBeUndefined();
    expect(plan.data.cronInWords).toMatch(/3/);
  });

  it('backs up and proves the backup by a test restore', async () => {
    const {
      data: result,
      error,
      exitCode,
    } = await run<{ backups: { proof: string; rows: number }[]; verifications: { level: string; state: string }[] }>(
      'backup',
      'create',
      'nightly',
      '--follow',
    );
    expect(error).toBeUndefined();
    expect(exitCode).toBe(0);
    expect(result.verifications.map(({ level, state }) => `${level} ${state}`).sort()).toEqual([
      'BASIC succeeded',
      'DATABASE succeeded',
      'FULL succeeded',
    ]);
    expect(result.backups.map(({ proof }) => proof)).toEqual(['FULL']);
  }, 120_000);

  it('brings a dropped table back into its database', async () => {
    await world.source.query('DROP TABLE billing.payments', [], 'shop');
    const plan = await run<{ id: string }>('restore', 'plan', await latestShopBackup(), '--table', 'billing.payments', '--into', 'shop');
    expect(plan.error).toBeUndefined();
    expect((await run('restore', 'run', plan.data.id, '--follow')).exitCode).toBe(2);
    const restored = await run('restore', 'run', plan.data.id, '--confirm', 'shop', '--follow');
    expect(restored.error).toBeUndefined();
    expect(mismatches(original, await proveTables(world.connection, 'shop'))).toEqual([]);
  }, 120_000);

  it('restores the whole under a new name, and replaces only with the name typed', async () => {
    const backup = await latestShopBackup();
    const plan = await run<{ id: string }>('restore', 'plan', backup, '--as', 'shop_again');
    expect((await run('restore', 'run', plan.data.id, '--follow')).error).toBeUndefined();
    expect(mismatches(original, await proveTables(world.connection, 'shop_again'))).toEqual([]);

    await world.source.query('DELETE FROM shop.order_items', [], 'shop_again');
    const replacing = await run<{ id: string; overwrites: string[] }>('restore', 'plan', backup, '--replace', 'shop_again');
    expect(replacing.data.overwrites.length).toBeGreaterThan(0);
    expect((await run('restore', 'run', replacing.data.id, '--follow')).error).toBeDefined();
    expect((await run('restore', 'run', replacing.data.id, '--confirm', 'shop_again', '--follow')).error).toBeUndefined();
    expect(mismatches(original, await proveTables(world.connection, 'shop_again'))).toEqual([]);
  }, 120_000);

  it('told of it all in the metrics of the table, which promtool has nothing against', async () => {
    const told = await scrape(world);
    expect([...new Set([...told.values()].flatMap(namesIn))].sort()).toEqual((await documentedNames()).sort());
    for (const text of told.values()) expect(complaintsOfPromtool(text) ?? '').toBe('');
    const all = [...told.values()].join('\n');
    expect(all).toMatch(/rahat_backup_last_verified_timestamp_seconds\{[^}]*database="shop"[^}]*\} 1\.?\d/);
    expect(all).toMatch(/rahat_restore_test_runs_total\{result="succeeded"\} [1-9]/);
  });

  it('has no dead letters, and says so', async () => {
    const letters = await run<unknown[]>('dead-letter', 'list');
    expect([letters.exitCode, letters.data]).toEqual([0, []]);
    expect((await run('dead-letter', 'retry', 'none')).error?.code).toBe('not_found');
  });

  it('kept an unbroken trail', async () => {
    const response = await fetch(`${world.platform.url}/api/v2/audit/verify`, {
      headers: { authorization: `Bearer ${environment['RAHAT_TOKEN']}` },
    });
    expect(await response.json()).toMatchObject({ intact: true });
  });

  it('restores without the platform: folder and passphrase alone', async () => {
    await world.platform.stop();
    const passphraseFile = path.join(world.folder, 'passphrase');
    await writeFile(passphraseFile, repository.passphrase);
    const offline = { ...environment, RAHAT_PASSPHRASE_FILE: passphraseFile, RAHAT_URL: 'http://127.0.0.1:1' };
    const folder = repository.location.replace(/^local:/, '');
    expect(existsSync(path.join(folder, 'rahat.json'))).toBe(true);

    const snapshots = await rahatBackup<{ readable: boolean }[]>(['repository', 'snapshots', '--path', folder], offline);
    expect(snapshots.data.map(({ readable }) => readable)).toEqual([true]);
    const check = await rahatBackup<{ healthy: boolean; level: string }>(['repository', 'check', '--path', folder], offline);
    expect(check.data).toMatchObject({ healthy: true, level: 'deep' });
    const url = `postgresql://${world.connection.user}@${world.connection.host}:${world.connection.port}/postgres`;
    const restored = await rahatBackup(['repository', 'restore', '--path', folder, '--to', url, '--as', 'shop_offline'], offline);
    expect(restored.error).toBeUndefined();
    expect(mismatches(original, await proveTables(world.connection, 'shop_offline'))).toEqual([]);

    const browsed = await rahatBackup<{ relations: { schema: string; name: string; rows?: number }[] }>(
      ['repository', 'browse', '--path', folder],
      offline,
    );
    const [first] = browsed.data.relations.filter(({ rows = 0 }) => rows > 0);
    const file = path.join(world.folder, 'table.jsonl');
    const table = [first!.schema, first!.name].map((name) => `"${name.replaceAll('"', '""')}"`).join('.');
    const download = ['repository', 'download', '--path', folder, '--table', table, '--format', 'json-lines', '--to', file];
    expect((await rahatBackup(download, offline)).exitCode).toBe(0);
    expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(first!.rows!);
    expect((await rahatBackup(download, offline)).error?.code).toBe('conflict');
    const database = url.replace(/postgres$/, 'shop_offline');
    const compared = await rahatBackup<{ equal: boolean; unchangedTables: number }>(
      ['repository', 'compare', '--path', folder, '--older', 'latest', '--database', database],
      offline,
    );
    expect([compared.error, compared.exitCode, compared.data.equal]).toEqual([undefined, 0, true]);
    expect(compared.data.unchangedTables).toBeGreaterThan(0);

    const wrong = await rahatBackup(['repository', 'snapshots', '--path', folder], {
      ...offline,
      RAHAT_PASSPHRASE_FILE: undefined,
      RAHAT_PASSPHRASE: 'not the passphrase',
    });
    expect(wrong.exitCode).toBe(3);
    expect(wrong.error?.code).toBe('repository_wrong_passphrase');
  }, 120_000);

  it('left no secret in the log files', async () => {
    const log = await readLogs(world);
    for (const secret of [world.connection.password, repository.passphrase, environment['RAHAT_TOKEN']!]) expect(log).not.toContain(secret);
  });

  async function latestShopBackup(): Promise<string> {
    const { data: backups } = await run<{ id: string }[]>('backup', 'list', '--database', 'shop', '--limit', '1');
    return backups[0]!.id;
  }
});

function address(world: World): string {
  return `postgresql://${world.connection.user}@${world.connection.host}:${world.connection.port}/postgres?sslmode=disable`;
}
