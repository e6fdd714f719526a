import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Comparison, ComparisonRequest, ConnectorSession } from '@rahat/connector-kit';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { HOSTILE_NAMES, HOSTILE_SQL, RICH_SQL } from '../logical/sample-database.js';
import { connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { ComparableArtifacts } from '../testing/comparable-artifacts.js';
import { SHOP_SQL } from '../testing/knotted-shop.js';

let server: PostgresqlServer;
let scratchFolder: string;
let session: ConnectorSession;
const context = () => ({ toolFolders: [], scratchFolder, signal: new AbortController().signal });

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-compare-'));
  server = await startPostgresql({ major: 15 });
  session = await postgresqlConnector.open(connectionTo(server), context());
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

async function run(database: string, sql: string): Promise<void> {
  const client = await server.connect(database);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function makeDatabase(name: string, sql: string): Promise<void> {
  await server.query(`CREATE DATABASE ${name}`);
  await run(name, sql);
}

async function writeUntil(stop: AbortSignal, database: string, sql: string): Promise<void> {
  const client = await server.connect(database);
  while (!stop.aborted) await client.query(sql);
  await client.end();
}

async function backUp(database: string): Promise<ComparableArtifacts> {
  const made = new ComparableArtifacts();
  made.facts = await session.backup({ method: 'postgresql.logical', database, label: 'rahat-run' }, made, quietJob);
  return made;
}

type Request = Omit<ComparisonRequest<PostgresqlConnection>, 'samples' | 'undo'> & { samples?: number };

async function compare(request: Request): Promise<{ comparison: Comparison; undo: string }> {
  const parts: Buffer[] = [];
  const undo = { write: async (bytes: Buffer) => void parts.push(Buffer.from(bytes)) };
  const comparison = await postgresqlConnector.decoder.compare({ samples: 3, ...request, undo }, context(), quietJob);
  expect(readdirSync(scratchFolder)).toEqual([]);
  return { comparison, undo: Buffer.concat(parts).toString('utf8') };
}

/** The undo, run on the newer database, makes a further comparison empty. */
async function expectUndone(database: string, older: ComparableArtifacts, undo: string): Promise<void> {
  await run(database, undo);
  const { comparison } = await compare({ older, newer: await backUp(database) });
  expect(comparison).toMatchObject({ equal: true, schema: [], tables: [], sequences: [] });
}

describe('a comparison of two backups', () => {
  it('finds nothing in two backups of the same rows, and reads none', async () => {
    await makeDatabase('same', `${RICH_SQL}${HOSTILE_SQL}`);
    const [older, newer] = [await backUp('same'), await backUp('same')];
    const { comparison } = await compare({ older, newer });
    expect(comparison).toMatchObject({ equal: true, schema: [], tables: [], sequences: [], readBytes: 0 });
    expect(comparison.unchangedTables).toBeGreaterThan(HOSTILE_NAMES.length);
  });

  it('tells inserted, deleted and changed rows by key, with old and new values', async () => {
    await makeDatabase('shop', SHOP_SQL);
    const older = await backUp('shop');
    await run(
      'shop',
      `DELETE FROM orders WHERE number = 7; INSERT INTO orders VALUES (3, 1000, now(), 1.10); ALTER TABLE orders DISABLE TRIGGER stamp;
       UPDATE orders SET net = 1.50 WHERE number = 8; ALTER TABLE orders ENABLE TRIGGER stamp;
       INSERT INTO log VALUES (1, 'line 1', '[]', 'ab'), (1, 'line 1', '[]', 'ab'); UPDATE word SET n = 2.5 WHERE w = 'İ'`,
    );
    const { comparison, undo } = await compare({ older, newer: await backUp('shop') });
    const [log, orders, word] = comparison.tables;
    expect(comparison.tables).toHaveLength(3);
    expect(log).toMatchObject({ name: 'log', key: [], olderRows: 200, newerRows: 202, inserted: 2, deleted: 0, changed: 0 });
    expect(orders).toMatchObject({ name: 'orders', key: ['customer', 'number'], inserted: 1, deleted: 1, changed: 1 });
    expect(orders?.samples.changed).toEqual([
      { key: { customer: '9', number: '8' }, columns: { net: { older: '2.6666666666666667', newer: '1.50' } } },
    ]);
    expect(orders?.samples.deleted[0]).toMatchObject({ customer: '8', number: '7' });
    expect(word?.samples.changed).toEqual([{ key: { w: 'İ' }, columns: { n: { older: '2.50', newer: '2.5' } } }]);
    await expectUndone('shop', older, undo);
  });

  it('undoes what no plain order of statements can: swaps, cycles, moves, and keys that triggers, rules and cascades would touch', async () => {
    await makeDatabase('knots', SHOP_SQL);
    const older = await backUp('knots');
    await run(
      'knots',
      `ALTER TABLE log DISABLE RULE keep; DELETE FROM log WHERE what = 'line 3'; ALTER TABLE log ENABLE RULE keep;
       UPDATE customer SET email = 'tmp' WHERE id = 1; UPDATE customer SET email = '1@x' WHERE id = 2; UPDATE customer SET email = '2@x' WHERE id = 1;
       UPDATE customer SET email = 'former' WHERE id = 20; INSERT INTO customer (email, country, boss) VALUES ('20@x', 'de', 3);
       INSERT INTO country VALUES ('fr', 'France'); UPDATE customer SET country = 'fr' WHERE id = 11;
       DELETE FROM customer WHERE id = 30; UPDATE customer SET boss = 51 WHERE id = 12;
       INSERT INTO orders SELECT id, 5000, now(), 1 FROM customer WHERE email = '20@x'; DELETE FROM country WHERE code = 'nl';
       UPDATE event SET day = day + 200 WHERE id < 20; DELETE FROM event WHERE id = 250; DELETE FROM word WHERE w IN ('ı', 'I'); INSERT INTO word VALUES ('ß', 1)`,
    );
    const { comparison, undo } = await compare({ older, newer: await backUp('knots') });
    expect(comparison.tables.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['country', 'customer', 'orders', 'log', 'event_1', 'event_2', 'word']),
    );
    await expectUndone('knots', older, undo);
    // What the undo took away for its time is there again.
    const [constraints] = await server.query<{ n: number; valid: boolean }>(
      "SELECT count(*)::int AS n, bool_and(convalidated) AS valid FROM pg_constraint WHERE contype = 'f'",
      [],
      'knots',
    );
    expect(constraints).toEqual({ n: 3, valid: true });
    expect(await server.query('SELECT tgenabled AS t FROM pg_trigger WHERE NOT tgisinternal', [], 'knots')).toEqual([{ t: 'O' }]);
  });

  it('tells and undoes differences of the schema, object by object', async () => {
    await makeDatabase(
      'changing',
      `${SHOP_SQL} CREATE VIEW spent AS SELECT customer, sum(net) AS net FROM orders GROUP BY 1; COMMENT ON TABLE log IS 'old'`,
    );
    const older = await backUp('changing');
    await run(
      'changing',
      `ALTER TABLE log ADD COLUMN level int DEFAULT 3; DROP VIEW spent; ALTER TABLE orders ALTER COLUMN net TYPE text; ALTER TABLE orders ALTER COLUMN at DROP DEFAULT;
       ALTER TABLE word DROP COLUMN n; CREATE TABLE fresh (id serial PRIMARY KEY, v text); INSERT INTO fresh (v) VALUES ('x'); CREATE INDEX by_what ON log (what);
       CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; COMMENT ON TABLE log IS 'new'; COMMENT ON TABLE word IS 'words';
       DROP TABLE event; CREATE SCHEMA extra; CREATE VIEW extra.v AS SELECT 1 AS one; DROP TRIGGER stamp ON orders; ALTER TABLE customer ALTER COLUMN email DROP NOT NULL;
       INSERT INTO word VALUES ('new')`,
    );
    const { comparison, undo } = await compare({ older, newer: await backUp('changing') });
    const told = comparison.schema.map(({ change, type, schema, name }) => `${change} ${type} ${schema}.${name}`);
    expect(told).toEqual(
      expect.arrayContaining([
        'changed TABLE public.log',
        'removed VIEW public.spent',
        'changed TABLE public.orders',
        'changed TABLE public.word',
        'added TABLE public.fresh',
        'added INDEX public.by_what',
        'changed FUNCTION public.stamp()',
        'changed COMMENT public.TABLE "log"',
        'removed TABLE public.event_1',
        'added VIEW extra.v',
        'added SCHEMA .extra',
        'removed TRIGGER public.orders stamp',
      ]),
    );
    const orders = comparison.schema.find(({ type, name }) => type === 'TABLE' && name === 'orders');
    expect(orders?.older).toContain('"net" numeric');
    expect(orders?.newer).toContain('"net" "text"');
    await expectUndone('changing', older, undo);
  });

  it('reads little of a large table of which little changed, also when rows moved to its end', async () => {
    await makeDatabase(
      'large',
      'CREATE TABLE big (id int PRIMARY KEY, v text); INSERT INTO big SELECT n, md5(n::text) || n FROM generate_series(1, 50000) n',
    );
    const older = await backUp('large');
    await run(
      'large',
      "UPDATE big SET v = 'other' WHERE id BETWEEN 20000 AND 20100; DELETE FROM big WHERE id = 40000; INSERT INTO big VALUES (60000, E'\\\\.')",
    );
    const newer = await backUp('large');
    const { comparison, undo } = await compare({ older, newer });
    expect(comparison.tables).toMatchObject([{ inserted: 1, deleted: 1, changed: 101 }]);
    expect(older.spanBytes + newer.spanBytes).toBeLessThan((older.bytes.get('rows/public/big')!.length * 2) / 10);
    await expectUndone('large', older, undo);
  });

  it('refuses what was cut off, and an encoding that is another', async () => {
    await makeDatabase('cut', 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)');
    const older = await backUp('cut');
    await run('cut', 'DELETE FROM t WHERE id = 5');
    const newer = await backUp('cut');
    const key = 'rows/public/t';
    newer.bytes.set(key, newer.bytes.get(key)!.subarray(0, 2000));
    newer.artifacts = newer.artifacts.map((artifact) => (artifact.key === key ? { ...artifact, sizeBytes: 2000 } : artifact));
    expect(await failureOf(compare({ older, newer }))).toMatchObject({ code: 'dump_truncated' });
    await server.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    expect(await failureOf(compare({ older, newer: await backUp('latin') }))).toMatchObject({ code: 'invalid_input' });
  });
});

describe('a comparison with a live database', () => {
  it('is of one moment, and its undo brings the database back', async () => {
    await makeDatabase('live', SHOP_SQL);
    const older = await backUp('live');
    const live = { connection: connectionTo(server), database: 'live' };
    expect((await compare({ older, newer: live })).comparison).toMatchObject({ equal: true, tables: [], schema: [] });
    await run(
      'live',
      "UPDATE customer SET note = '{\"b\": 2}' WHERE id = 3; DELETE FROM orders WHERE number % 50 = 0; INSERT INTO country VALUES ('xx', 'X')",
    );
    const writing = new AbortController();
    const writer = writeUntil(writing.signal, 'live', "INSERT INTO log VALUES (1, 'while it is compared')");
    const first = await compare({ older, newer: live }).finally(() => {
      writing.abort();
    });
    await writer;
    const names = first.comparison.tables.map(({ name, inserted, deleted, changed }) => [name, inserted > 0, deleted, changed]);
    expect(names).toEqual(
      expect.arrayContaining([
        ['country', true, 0, 0],
        ['customer', false, 0, 1],
        ['orders', false, 6, 0],
      ]),
    );
    const { undo } = await compare({ older, newer: live });
    await run('live', undo);
    expect((await compare({ older, newer: live })).comparison).toMatchObject({ equal: true });
  });
});
