import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupObjects, BackupRows } from '@rahat/contracts';
import { gatewaysOf } from '@rahat/demo';
import { cliEnvironment, rahatBackup } from './cli.js';
import { processesOf } from './cluster.js';
import { kill9 } from './processes.js';
import { backUp, offline, protect, type Protection } from './protection.js';
import { CLUSTER, shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, readLogs, type World } from './world.js';

const NOISE_MB = 30;

/** The tests follow upon each other; the last one of the cluster kills its workers. */
describe.each(shapes(STANDALONE, CLUSTER))('looking into a backup ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;
  let environment: NodeJS.ProcessEnv;
  let backup: string;

  beforeAll(async () => {
    world = await openWorld(
      [
        'CREATE TABLE orders (id int PRIMARY KEY, note text)',
        `INSERT INTO orders SELECT n, CASE WHEN n % 7 > 0 THEN 'planted, "row" ' || n END FROM generate_series(1, 500) n`,
      ],
      shape,
    );
    await fillWithNoise(world, NOISE_MB);
    protection = await protect(world);
    backup = (await backUp(world, protection)).backup!;
    environment = { ...(await cliEnvironment(world.platform)), HOME: world.folder };
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const cli = <T>(...args: string[]) => rahatBackup<T>(['backup', ...args], environment);
  const file = (name: string) => path.join(world.folder, name);

  it('shows its objects, the SQL of one, and pages of rows', async () => {
    const { data: objects } = await cli<BackupObjects>('browse', backup);
    expect(objects.relations.map(({ schema, name, rows }) => [schema, name, rows])).toContainEqual(['public', 'orders', 500]);
    const { data: one } = await cli<{ ddl: string }>('browse', backup, '--object', 'public.orders');
    expect(one.ddl).toMatch(/CREATE TABLE .*orders[^]*PRIMARY KEY/);
    const { data: page } = await cli<BackupRows>('browse', backup, '--rows', 'public.orders', '--offset', '495', '--limit', '3');
    expect(page.rows.map((row) => Number(row['id']))).toEqual([496, 497, 498]);
    expect(page.nextOffset).toBe(498);
    const missing = await cli('browse', backup, '--rows', 'public.nothing');
    expect([missing.exitCode === 0, missing.error?.code]).toEqual([false, 'not_found']);
  });

  it('downloads exactly what the offline command takes out of the repository, through every gateway', async () => {
    for (const format of ['csv', 'sql']) {
      const there = file(`offline.${format}`);
      await offline(world, protection, 'download', '--table', 'public.orders', '--format', format, '--to', there);
      const here = file(`platform.${format}`);
      expect((await cli('download', backup, '--table', 'public.orders', '--format', format, '--to', here)).exitCode).toBe(0);
      expect(await readFile(here)).toEqual(await readFile(there));
    }
    const rows = await world.source.query<{ id: number; text: string }>('SELECT id, text FROM noise', [], 'shop');
    const expected = Buffer.from(['id,text', ...rows.map(({ id, text }) => `${id},${text}`), ''].join('\r\n'));
    expect(expected.length).toBeGreaterThan(NOISE_MB * 1e6);
    const both = gatewaysOf(world.platform).map((gateway) => downloaded(gateway, '/download?schema=public&name=noise&format=csv'));
    expect((await Promise.all(both)).map((bytes) => bytes.equals(expected))).not.toContain(false);
    expect((await downloaded(world.platform.url, '/download?globals=true')).toString()).toContain('CREATE ROLE');
  });

  it('logs no row of it', async () => {
    expect(await readLogs(world)).not.toContain('planted,');
  });

  (shape.form === 'cluster' ? it : it.skip)('ends with an error when its worker is killed in the middle', async () => {
    const response = await open(world.platform.url, '/download?schema=public&name=noise&format=csv');
    const reader = response.body!.getReader();
    let bytes = (await reader.read()).value!.length;
    const workers = (await processesOf(world)).filter(({ name }) => name.startsWith('worker'));
    kill9(workers.flatMap(({ pid }) => pid ?? []));
    const rest = (async () => {
      for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
    })();
    await expect(rest).rejects.toThrow();
    expect(bytes).toBeLessThan(NOISE_MB * 1e6);
  });

  function open(gateway: string, what: string): Promise<Response> {
    return fetch(new URL(`/api/v2/backups/${backup}${what}`, gateway), {
      headers: { authorization: `Bearer ${environment['RAHAT_TOKEN']}` },
    });
  }

  async function downloaded(gateway: string, what: string): Promise<Buffer> {
    const response = await open(gateway, what);
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw new Error(bytes.toString());
    return bytes;
  }
});
