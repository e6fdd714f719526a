import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import fc from 'fast-check';
import { postgresqlConnector } from '../connector.js';
import { connectionTo, quietJob } from '../physical/test-parts.js';
import { ComparableArtifacts } from '../testing/comparable-artifacts.js';
import { SHOP_SQL } from '../testing/knotted-shop.js';

let server: PostgresqlServer;
let scratchFolder: string;
let older: ComparableArtifacts;
const context = () => ({ toolFolders: [], scratchFolder, signal: new AbortController().signal });

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-undo-'));
  server = await startPostgresql({ major: 15 });
  await server.query('CREATE DATABASE shop');
  await server.query(SHOP_SQL, undefined, 'shop');
  await using session = await postgresqlConnector.open(connectionTo(server), context());
  older = new ComparableArtifacts();
  older.facts = await session.backup({ method: 'postgresql.logical', database: 'shop', label: 'rahat-run' }, older, quietJob);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

const id = fc.integer({ min: 1, max: 60 });
const text = fc.constantFrom("''", 'NULL', "E'a\\tb\\\\c\\nd'", "'it''s'", "'\\N'", "'\\.'", "'1@x'", "'ı'", "'İ'");

/** Whatever a person may do; what the database refuses, it refuses. */
const edit = fc.oneof(
  fc.tuple(id, id).map(([a, b]) => `UPDATE customer SET email = '${b}@x' WHERE id = ${a}`),
  fc
    .tuple(id, id)
    .map(([a, b]) => `UPDATE customer SET email = CASE id WHEN ${a} THEN 'x' ELSE email END, boss = ${b} WHERE id IN (${a}, ${b})`),
  fc
    .tuple(id, id)
    .map(([a, b]) => `WITH gone AS (DELETE FROM customer WHERE id = ${a}) INSERT INTO customer (email, country) VALUES ('new${b}', 'de')`),
  fc
    .tuple(id, id)
    .map(
      ([a, b]) => `DELETE FROM customer WHERE id = ${a}; INSERT INTO customer (id, email) OVERRIDING SYSTEM VALUE VALUES (${b}, '${a}@x')`,
    ),
  fc.tuple(id, id).map(([a, b]) => `UPDATE orders SET customer = ${a} WHERE number = ${b}`),
  fc.tuple(id, text).map(([a, t]) => `INSERT INTO log SELECT ${a} % 10, ${t}, '[]', 'ab' FROM generate_series(1, ${a} % 3)`),
  fc.tuple(id, text).map(([a, t]) => `UPDATE log SET what = ${t} WHERE at = ${a} % 10`),
  fc.tuple(id, id).map(([a, b]) => `UPDATE event SET day = day + ${a * 3} WHERE id % 50 = ${b} % 50`),
  id.map((a) => `DELETE FROM event WHERE id % 40 = ${a} % 40`),
  fc.tuple(text, id).map(([t, n]) => `INSERT INTO word VALUES (${t}, ${n} / 4.0)`),
  fc.tuple(text, id).map(([t, n]) => `UPDATE word SET n = n * ${n}, w = w || ${t}`),
  fc.constantFrom('tr', 'de', 'nl', 'xx').map((code) => `DELETE FROM country WHERE code = '${code}'`),
  fc
    .constantFrom('fr', 'xx')
    .map((code) => `INSERT INTO country VALUES ('${code}', '${code}'); UPDATE customer SET country = '${code}' WHERE id % 3 = 0`),
  fc.constantFrom(
    'TRUNCATE orders',
    'ALTER TABLE log ADD COLUMN level int DEFAULT 3',
    'ALTER TABLE word DROP COLUMN n',
    'ALTER TABLE orders DROP COLUMN net',
    'DROP TABLE orders',
    'DROP TABLE log',
    'CREATE TABLE fresh AS SELECT * FROM customer',
    'CREATE INDEX ON log (what)',
    'VACUUM FULL customer',
    'ALTER TABLE customer DROP CONSTRAINT customer_email_key',
    'ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey',
    'CREATE UNIQUE INDEX ON word (lower(w), n)',
    'DROP TRIGGER stamp ON orders',
  ),
);

describe('the undo of a comparison', () => {
  it('makes the newer into the older, whatever was done', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 12 }), async (edits) => {
        const database = `edited_${number++}`;
        await server.query(`CREATE DATABASE ${database} TEMPLATE shop`);
        for (const sql of edits) await server.query(sql, undefined, database).catch(() => undefined);
        const live = { connection: connectionTo(server), database };
        const parts: Buffer[] = [];
        const undo = { write: async (bytes: Buffer) => void parts.push(Buffer.from(bytes)) };
        await postgresqlConnector.decoder.compare({ older, newer: live, samples: 2, undo }, context(), quietJob);
        await server.query(Buffer.concat(parts).toString('utf8'), undefined, database);
        const again = await postgresqlConnector.decoder.compare({ older, newer: live, samples: 2 }, context(), quietJob);
        expect(again).toMatchObject({ equal: true, schema: [], tables: [], sequences: [] });
        await server.query(`DROP DATABASE ${database} WITH (FORCE)`);
      }),
      { numRuns: Number(process.env['RAHAT_UNDO_RUNS'] ?? 12) },
    );
  }, 300_000);
});
