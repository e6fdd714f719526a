import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startPostgresql } from '@rahat/test-servers';
import { createOfflineRepository, executeRun, openOfflineRepository, type OfflineRepository } from './index.js';
import { connectionTo, createGrantedRepository, type GrantedRepository, PASSPHRASE, runHead, runOptions } from './testing/run-parts.js';

let server: Awaited<ReturnType<typeof startPostgresql>>;
let connection: PostgresqlConnection;
let folder: string;
let granted: GrantedRepository;
let repository: OfflineRepository;
let older: string;
let newer: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-browse-'));
  server = await startPostgresql({ major: 15 });
  connection = connectionTo(server);
  granted = await createGrantedRepository(folder, '');
  await server.query('CREATE DATABASE shop');
  await server.query(
    `CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 60000) i;
     CREATE TABLE quiet (id int PRIMARY KEY); INSERT INTO quiet SELECT generate_series(1, 1000)`,
    undefined,
    'shop',
  );
  older = await backUp();
  await server.query("UPDATE orders SET note = 'changed' WHERE id = 30000; DELETE FROM orders WHERE id = 50000", undefined, 'shop');
  newer = await backUp();
  repository = await openOfflineRepository(join(folder, 'storage'), { type: 'passphrase', passphrase: PASSPHRASE });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function backUp(): Promise<string> {
  const evidence = await executeRun(
    {
      ...runHead(),
      type: 'backup',
      method: 'postgresql.logical',
      database: { name: 'shop' },
      snapshot: randomBytes(16).toString('hex'),
      deep: false,
    },
    granted.secrets('write-only', connection),
    runOptions(folder),
  );
  if (evidence.type !== 'backup') throw new Error('expected the evidence of a backup');
  return evidence.snapshot;
}

const orders = { table: { schema: 'public', name: 'orders' }, format: 'csv' } as const;

async function download(snapshot: string): Promise<string> {
  const parts: Buffer[] = [];
  await repository.download(snapshot, orders, async (piece) => void parts.push(Buffer.from(piece)));
  return Buffer.concat(parts).toString();
}

describe('a repository without a platform', () => {
  it('is browsed and gives out tables', async () => {
    const { relations } = await repository.browse(older);
    expect(relations.map(({ name, rows }) => [name, rows])).toEqual([
      ['orders', 60_000],
      ['quiet', 1_000],
    ]);
    expect(await repository.ddl(older, { schema: 'public', name: 'orders' })).toContain('PRIMARY KEY ("id")');
    expect((await download(older)).split('\r\n')).toHaveLength(60_002);
  });

  it('compares two backups and reads the chunks that differ, and a backup with the database', async () => {
    const whole = (await repository.engine.findSnapshot(older)).sizeBytes * 2;
    const expected = { tables: [{ name: 'orders', inserted: 0, deleted: 1, changed: 1 }], unchangedTables: 1, equal: false };
    const report = await repository.compare({ older, newer });
    expect(report).toMatchObject({ ...expected, older: { snapshot: older }, newer: { snapshot: newer } });
    expect(report.readBytes).toBeLessThan(whole / 10);
    expect(await repository.compare({ older, newer: { connection, database: 'shop' } })).toMatchObject(expected);
    expect(await repository.compare({ older: newer, newer: { connection, database: 'shop' } })).toMatchObject({ equal: true });
  });

  it('compares copies that another repository cut anew', async () => {
    const other = await createOfflineRepository(join(folder, 'other'), PASSPHRASE);
    expect((await repository.engine.copyTo(other.engine, { rechunk: true })).failed).toEqual([]);
    await expect(other.compare({ older, newer })).resolves.toMatchObject({ tables: [{ deleted: 1, changed: 1 }] });
  });

  it('is compared by a run too, whose evidence holds no value of a row, and which needs a key that reads', async () => {
    const compareAs = (power: 'read' | 'write-only') =>
      executeRun(
        {
          ...runHead(),
          type: 'comparison',
          snapshot: older,
          newer: { kind: 'backup', snapshot: newer },
          schemaOnly: false,
        },
        granted.secrets(power),
        runOptions(folder),
      );
    const evidence = await compareAs('read');
    expect(evidence).toMatchObject({
      type: 'comparison',
      snapshot: older,
      equal: false,
      tables: { count: 1, unchanged: 1, first: [{ table: 'orders', key: ['id'], deleted: 1, changed: 1, inserted: 0 }] },
    });
    expect(JSON.stringify(evidence)).not.toMatch(/50000|30000|changed'/);
    await expect(compareAs('write-only')).rejects.toMatchObject({ code: 'master_key_needed' });
  });

  it('tells damage instead of giving less', async () => {
    const packs = join(folder, 'storage/packs');
    const names = (await readdir(packs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const before = new Map<string, Buffer>();
    for (const { parentPath, name } of names) {
      const file = join(parentPath, name);
      const bytes = await readFile(file);
      before.set(file, Buffer.from(bytes));
      // Data lies in the middle of a large pack; its header and footer stay.
      if (bytes.length > 500_000) {
        bytes[bytes.length >> 1]! ^= 1;
        await writeFile(file, bytes);
      }
    }
    await expect(download(older)).rejects.toMatchObject({ code: 'repository_damaged' });
    for (const [file, bytes] of before) await writeFile(file, bytes);
  });
});
