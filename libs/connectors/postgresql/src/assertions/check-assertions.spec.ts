import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Assertion } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { connectionTo, quietJob } from '../physical/test-parts.js';
import { checkAssertions } from './check-assertions.js';

let server: PostgresqlServer;
beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  await server.query('CREATE DATABASE shop');
  await server.query('REVOKE ALL ON DATABASE shop FROM public', undefined, 'shop');
  await server.query(
    `CREATE SCHEMA closed; CREATE TABLE closed.orders AS SELECT n AS id, 'paid' AS state FROM generate_series(1, 20) n;
     CREATE TABLE empty (id int); ALTER TABLE closed.orders ENABLE ROW LEVEL SECURITY; CREATE SEQUENCE numbers;
     CREATE FUNCTION write() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.empty VALUES (1); RETURN 1; END $$`,
    undefined,
    'shop',
  );
});
afterAll(async () => server[Symbol.asyncDispose]());

async function ask(sql: string, expect: Assertion['expect'], timeoutSeconds = 30) {
  const assertion = Assertion.parse({ name: 'orders', sql, expect, timeoutSeconds });
  const [result] = await checkAssertions(connectionTo(server), [assertion], () => 'shop', quietJob);
  return { passed: result!.passed, message: result!.message };
}
const holds = (message: string) => ({ passed: true, message: `Assertion 'orders' holds: ${message}.` });
const failed = (message: string) => ({ passed: false, message: `Assertion 'orders' failed: ${message}.` });

describe('an assertion on a restored copy', () => {
  it.each<[string, string, Assertion['expect'], object]>([
    ['a value', 'SELECT count(*) FROM closed.orders;', { kind: 'value', equals: 20 }, holds('expected 20, found 20')],
    ['another value', 'SELECT count(*) FROM closed.orders', { kind: 'value', equals: 5 }, failed('expected 5, found 20')],
    ['a condition', 'SELECT max(id) > 10 FROM closed.orders -- so', { kind: 'value', equals: true }, holds('expected true, found true')],
    ['a text', `SELECT state, id FROM closed.orders LIMIT 1`, { kind: 'value', equals: 'paid' }, holds('expected paid, found paid')],
    ['NULL', 'SELECT max(id) FROM empty', { kind: 'value', equals: null }, holds('expected NULL, found NULL')],
    ['NULL, which is no number', 'SELECT max(id) FROM empty', { kind: 'range', min: 0 }, failed('expected at least 0, found NULL')],
    ['a range', 'SELECT max(id) FROM closed.orders', { kind: 'range', min: 5, max: 19 }, failed('expected 5 to 19, found 20')],
    ['rows', 'SELECT * FROM closed.orders', { kind: 'rows', min: 20, max: 20 }, holds('expected 20 rows, found 20')],
    ['no rows at all', 'SELECT * FROM empty', { kind: 'rows', min: 1 }, failed('expected at least 1 rows, found 0')],
    ['no row', 'SELECT id FROM empty', { kind: 'value', equals: 1 }, failed('expected one row with 1, found no row')],
    ['many rows', 'SELECT id FROM closed.orders', { kind: 'value', equals: 1 }, failed('expected one row with 1, found more than one row')],
  ])('compares %s', async (_what, sql, expect_, result) => {
    expect(await ask(sql, expect_)).toEqual(result);
  });

  it('that PostgreSQL refuses or does not answer in time has failed, with the reason', async () => {
    const one = { kind: 'value', equals: 1 } as const;
    expect(await ask('SELECT 1 FROM nowhere', one)).toEqual(failed('PostgreSQL refused the query: relation "nowhere" does not exist'));
    expect(await ask('SELECT pg_sleep(60)', one, 1)).toEqual(failed('no answer within 1 s'));
  });

  it.each([
    'SELECT write()',
    "SELECT nextval('numbers')",
    "SELECT set_config('transaction_read_only', 'off', false)::boolean::int, write()",
    'WITH gone AS (DELETE FROM closed.orders RETURNING id) SELECT count(*) FROM gone',
    "COPY (SELECT 1) TO PROGRAM 'true'",
    'SELECT 1) AS answer (value); DELETE FROM closed.orders; SELECT 1 FROM (SELECT 1',
    "SELECT pg_read_file('/etc/passwd')",
    'SELECT 1 FROM pg_authid',
    "SELECT 1 FROM (SELECT set_config('role', 'postgres', false)) AS became",
  ])('can neither write nor leave the database: %s', async (sql) => {
    const result = await ask(sql, { kind: 'value', equals: 1 });
    expect(result).toEqual({ passed: false, message: expect.stringContaining('PostgreSQL refused the query') });
    expect(await server.query('SELECT count(*)::int AS n FROM closed.orders', [], 'shop')).toEqual([{ n: 20 }]);
    expect(await server.query('SELECT count(*)::int AS n FROM empty', [], 'shop')).toEqual([{ n: 0 }]);
  });
});
