import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { failureOf } from '../physical/test-parts.js';
import { LiveShop } from '../testing/live-shop.js';

let shop: LiveShop;
let original: Record<string, string>;
beforeAll(async () => {
  shop = await LiveShop.open();
  original = await shop.state('shop');
});
afterAll(async () => shop?.[Symbol.asyncDispose]());

const EVERYTHING = { schemas: ['public'] };
/** Changes, additions and losses in every table. */
const LATER_SQL = `
  ALTER TABLE orders DISABLE TRIGGER USER;
  UPDATE country SET name = 'Turkey' WHERE code = 'tr';
  INSERT INTO country VALUES ('nl', 'Nederland');
  UPDATE customer SET email = 'other', boss = NULL, country = 'nl' WHERE id = 3;
  INSERT INTO customer (email) VALUES ('3@x');
  DELETE FROM orders WHERE customer = 5;
  UPDATE orders SET net = net + 1 WHERE id < 10;
  INSERT INTO orders (customer, at) VALUES (21, now()), (1, now());
  UPDATE line SET what = 'x' WHERE orders = 20;
  DELETE FROM line WHERE orders = 21 AND number < 3;
  DELETE FROM log WHERE at = 2;
  INSERT INTO log VALUES (1, 'line 1', '[]'), (1, 'line 1', '[]'), (9, NULL, NULL);
  ALTER TABLE orders ENABLE TRIGGER USER;`;
const within = async (database: string, sql: string): Promise<unknown[]> => shop.server.query(sql, [], database);
const merged = (facts: { merged?: { table: string; inserted: number; updated: number; removed: number }[] }) =>
  Object.fromEntries((facts.merged ?? []).map(({ table, inserted, updated, removed }) => [table, [inserted, updated, removed]]));

describe('a restore into a live database', () => {
  it('makes all tables the backup again, and its undo puts back exactly what was there', async () => {
    const live = await shop.database(LATER_SQL);
    const before = await shop.state(live);
    const facts = await shop.restore(live, EVERYTHING);
    expect(facts.tables.every(({ matches }) => matches)).toBe(true);
    expect(facts.tables).toHaveLength(6);
    expect(await shop.state(live)).toMatchObject(original);
    expect(facts.safetyCopy?.schema).toMatch(new RegExp(`^rahat_undo_run_${live}_\\d+$`));
    await shop.undo(facts);
    expect(await shop.state(live)).toEqual(before);
  });

  it('brings back rows of a condition and leaves the others alone', async () => {
    const live = await shop.database('DELETE FROM orders WHERE customer IN (7, 8); INSERT INTO orders (customer, at) VALUES (7, now())');
    const rows = [{ schema: 'public', table: 'orders', condition: 'customer = 7 AND net IS NOT NULL OR (customer = 7 AND net IS NULL)' }];
    const failure = await failureOf(shop.restore(live, { rows }));
    expect(failure).toMatchObject({ code: 'restore_refused', message: expect.stringContaining('last_line') });
    const both = await shop.restore(live, { rows, tables: [['public', 'line']], conflict: 'replace' }).catch((error: unknown) => error);
    expect(both).toMatchObject({ code: 'restore_refused' });
    await within(live, 'ALTER TABLE orders DROP CONSTRAINT last_line');
    const facts = await shop.restore(live, { rows });
    expect(merged(facts)).toEqual({ orders: [10, 0, 1] });
    expect(await within(live, 'SELECT count(*)::int AS n, count(*) FILTER (WHERE customer = 8)::int AS other FROM orders')).toEqual([
      { n: 190, other: 0 },
    ]);
  });

  it('inserts only what lacks, or updates besides, as it is told', async () => {
    const change = `UPDATE country SET name = 'Turkey' WHERE code = 'tr'; DELETE FROM country WHERE code = 'de'; INSERT INTO country VALUES ('nl', 'Nederland')`;
    const live = await shop.database(change);
    const tables: [string, string][] = [['public', 'country']];
    expect(merged(await shop.restore(live, { tables, conflict: 'missing' }))).toEqual({ country: [1, 0, 0] });
    expect(await within(live, 'SELECT name FROM country ORDER BY code')).toEqual([
      { name: 'Deutsch\tland\n' },
      { name: 'Nederland' },
      { name: 'Turkey' },
    ]);
    const other = await shop.database(change);
    expect(merged(await shop.restore(other, { tables, conflict: 'overwrite' }))).toEqual({ country: [1, 1, 0] });
    expect(await within(other, 'SELECT name FROM country ORDER BY code')).toEqual([
      { name: 'Deutsch\tland\n' },
      { name: 'Nederland' },
      { name: 'Türkiye' },
    ]);
    expect((await shop.plan(live, { tables: [['public', 'log']], conflict: 'missing' })).findings).toContainEqual(
      expect.objectContaining({ code: 'key_missing', severity: 'blocker' }),
    );
  });

  it('refuses to take away rows that a table outside the choice refers to, even where they would go along', async () => {
    const live = await shop.database(`INSERT INTO customer (email) VALUES ('new'); INSERT INTO review VALUES (1, 21)`);
    const before = await shop.state(live);
    const tables: [string, string][] = [['public', 'customer']];
    const refusal = await failureOf(shop.restore(live, { tables }));
    expect([refusal.code, refusal.message]).toEqual(['restore_refused', expect.stringContaining('1 rows of public.review')]);
    expect(await shop.state(live)).toEqual(before);
    const { findings } = await shop.plan(live, { tables });
    expect(findings.map(({ code, object }) => [code, object])).toContainEqual([
      'foreign_key_from_outside',
      'public.review: review_customer_fkey',
    ]);
  });

  it('makes tables that are gone, or only them, and their undo drops them', async () => {
    const live = await shop.database('DROP TABLE line, review CASCADE; DELETE FROM log');
    const before = await shop.state(live);
    const only = await shop.restore(live, { ...EVERYTHING, content: 'schema' });
    expect(await within(live, 'SELECT count(*)::int AS n FROM line')).toEqual([{ n: 0 }]);
    await shop.undo(only);
    expect(await shop.state(live)).toEqual(before);
    expect(await failureOf(shop.restore(live, { ...EVERYTHING, content: 'data' }))).toMatchObject({ code: 'restore_failed' });
    const facts = await shop.restore(live, EVERYTHING);
    expect(facts.merged).toContainEqual({ schema: 'public', table: 'line', created: true, inserted: 600, updated: 0, removed: 0 });
    const { constraints: _all, ...rows } = original;
    expect(await shop.state(live)).toMatchObject(rows);
    await expect(within(live, `INSERT INTO line VALUES (999, 1, 'x')`)).rejects.toThrow(/foreign key/);
    await shop.undo(facts);
    expect(await shop.state(live)).toEqual(before);
  });

  it('puts a table beside the one that is there under another name', async () => {
    const live = await shop.database(`UPDATE customer SET email = 'z' || email`);
    const before = await shop.state(live);
    const renames = [
      { from: { schema: 'public', table: 'customer' }, to: { schema: 'public', table: 'customer_of_monday' } },
      { from: { schema: 'public' }, to: { schema: 'monday' } },
    ];
    const facts = await shop.restore(live, {
      tables: [
        ['public', 'customer'],
        ['public', 'log'],
      ],
      renames,
    });
    const after = await shop.state(live);
    const { constraints: _more, ...rows } = before;
    expect(after).toMatchObject(rows);
    expect([after['public.customer_of_monday'], after['monday.log']]).toEqual([original['public.customer'], original['public.log']]);
    await shop.undo(facts);
    expect(await shop.state(live)).toEqual(before);
    expect(await failureOf(shop.restore(live, { tables: [['public', 'log']], renames }))).toMatchObject({ code: 'invalid_input' });
  });

  it('moves sequences on, so that new rows do not collide with restored ones', async () => {
    const live = await shop.database('TRUNCATE orders, line RESTART IDENTITY; DROP TRIGGER stamp ON orders');
    await shop.restore(live, EVERYTHING);
    expect(await within(live, 'INSERT INTO orders (customer, at) VALUES (1, now()) RETURNING id')).toEqual([{ id: 201 }]);
  });

  it('tells in its plan how many rows are there, where the database knows', async () => {
    const steps = async (sql: string) => (await shop.plan(await shop.database(sql), { tables: [['public', 'orders']] })).steps.join();
    expect(await steps('ANALYZE orders')).toContain('200 rows in the backup, about 200 in the table');
    expect(
      await steps(
        'CREATE TABLE fresh WITH (autovacuum_enabled = off) AS TABLE orders; DROP TABLE orders CASCADE; ALTER TABLE fresh RENAME TO orders',
      ),
    ).toContain('(200 rows in the backup)');
  });

  it('tells what a condition may not be, and runs nothing of it', async () => {
    const live = await shop.database();
    const condition = `true); DROP TABLE line; --`;
    expect(await failureOf(shop.plan(live, { rows: [{ schema: 'public', table: 'orders', condition }] }))).toMatchObject({
      code: 'invalid_input',
    });
    expect(await failureOf(shop.restore(live, { rows: [{ schema: 'public', table: 'orders', condition }] }))).toMatchObject({
      code: 'invalid_input',
    });
    expect(await shop.state(live)).toEqual(original);
  });
});
