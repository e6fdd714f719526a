import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorSession, TableFormat } from '@rahat/connector-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { HOSTILE_NAMES, HOSTILE_SQL, RICH_SQL, WIDE_SQL } from '../logical/sample-database.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { copyInto } from '../merge/copy-in.js';

let server: PostgresqlServer;
let scratchFolder: string;
let session: ConnectorSession;
let backup: ArtifactsInMemory;
const { decoder } = postgresqlConnector;

const NASTY_SQL = `
  CREATE TABLE nasty (id int PRIMARY KEY, v text, b bytea, a text[], j jsonb, k json, "Quoted ""name""" char(6), n numeric, d double precision,
    yes boolean, e sales.state, twice int GENERATED ALWAYS AS (id * 2) STORED, s "char", t timestamptz, m money, c comp);
  INSERT INTO nasty (id, v, b, a, j, k, "Quoted ""name""", n, d, yes, e, s, t, m, c) VALUES
    (1, E'a"b,c\\nd\\r\\ne\\tf\\\\g''h', '\\x00ff0a5c', '{"a,b","c\\"d",NULL}', '{"a": "\\u000a"}', '{"a":1, "a":2}', 'x', 1.10, 'NaN', true, 'new', 'q', '2026-11-27 12:00+03', 12.5, '(1,"a,b")'),
    (2, '', '', '{}', 'null', '[]', '', 'NaN', '-Infinity', false, 'sent', '', 'infinity', -3, NULL),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, '=1+1', NULL, NULL, NULL, NULL, NULL, 123456789012345678901234567890.5, 0.1, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, '\\.', NULL, NULL, NULL, NULL, NULL, -5, -5, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, E'\\\\.\\n', NULL, NULL, NULL, NULL, NULL, 1e-20, 1e300, NULL, NULL, NULL, NULL, NULL, NULL),
    (7, 'ğ 数据 🐘 ' || repeat('x', 300000) || ' ', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);`;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-decode-'));
  server = await startPostgresql({ major: 15 });
  session = await postgresqlConnector.open(connectionTo(server), { toolFolders: [], scratchFolder, signal: new AbortController().signal });
  await server.query('CREATE DATABASE rich');
  await server.query(`${RICH_SQL}${WIDE_SQL}${HOSTILE_SQL}CREATE TYPE comp AS (x int, y text); ${NASTY_SQL}`, undefined, 'rich');
  await server.query("CREATE TABLE typed OF comp; INSERT INTO typed VALUES (1, 'a')", undefined, 'rich');
  backup = await backUp('rich');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

async function backUp(database: string): Promise<ArtifactsInMemory> {
  const made = new ArtifactsInMemory();
  made.facts = await session.backup({ method: 'postgresql.logical', database, label: 'rahat-run' }, made, quietJob);
  return made;
}

async function download(schema: string, name: string, format: TableFormat, formulaSafe = false): Promise<Buffer> {
  return whole(decoder.exportTable(backup, { table: { schema, name }, format, formulaSafe }, quietJob));
}

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces, (piece) => Buffer.from(piece)));
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Rows as the server prints them, order aside. */
async function rowsOf(table: string): Promise<string> {
  const [row] = await server.query<{ n: string; sum: string }>(
    `SELECT count(*)::text AS n, sum(hashtextextended(t::text, 0)::numeric)::text AS sum FROM ${table} t`,
    [],
    'rich',
  );
  return `${row?.n} rows, ${row?.sum}`;
}

describe('a logical backup without a server', () => {
  it('tells its schemas, tables, rows, sizes and keys', async () => {
    const outline = await decoder.outline(backup, quietJob);
    expect(outline).toMatchObject({ database: 'rich', encoding: 'UTF8', largeObjects: 6, hasGlobals: true });
    expect(outline.schemas).toEqual(expect.arrayContaining(['sales', 'hr', ...HOSTILE_NAMES]));
    const find = (schema: string, name: string) =>
      outline.relations.find((relation) => relation.schema === schema && relation.name === name);
    expect(find('sales', 'line')).toMatchObject({ kind: 'table', rows: 20_000, key: ['order_id', 'position'] });
    expect(find('sales', 'line')?.sizeBytes).toBeGreaterThan(100_000);
    expect(find('sales', 'event')).toMatchObject({ kind: 'partitioned table' });
    expect(find('sales', 'event_2025')).toMatchObject({ partitionOf: { schema: 'sales', name: 'event' } });
    expect(find('sales', 'open_orders')).toMatchObject({ kind: 'view' });
    expect(find('hr', 'manager')?.columns).toEqual(['id', 'name', 'bonus', 'since']);
    expect(find('public', 'typed')?.columns).toEqual(['x', 'y']);
    expect(find('public', 'wide')?.columns).toHaveLength(1600);
    expect(find('sales', 'orders')?.columns).toContain('gross');
    for (const name of HOSTILE_NAMES) expect(find(name, name)).toMatchObject({ rows: 3, columns: ['id', name], key: ['id'] });
  });

  it('shows the SQL of an object with all that belongs to it', async () => {
    const orders = await decoder.ddl(backup, { schema: 'sales', name: 'orders' }, quietJob);
    for (const part of [
      'CREATE TABLE "sales"."orders"',
      'orders_pkey',
      'orders_customer_id_fkey',
      'orders_by_state',
      'TRIGGER "touch"',
      'without tax',
    ])
      expect(orders).toContain(part);
    expect(orders).not.toContain('line_order_id_fkey');
    expect(await decoder.ddl(backup, { schema: 'sales', name: 'touch' }, quietJob)).toContain('RETURN NEW');
    expect(await failureOf(decoder.ddl(backup, { schema: 'sales', name: 'Orders' }, quietJob))).toMatchObject({ code: 'not_found' });
    expect((await whole(decoder.globals(backup)!)).toString()).toContain('CREATE ROLE');
  });

  const tables = [
    'public.nasty',
    'public.texts',
    'public.numbers',
    'public.wide',
    'public.empty',
    'sales.orders',
    'sales.customer',
    'hr.manager',
  ];
  const named = [
    ...tables.map((name) => name.split('.') as [string, string]),
    ...HOSTILE_NAMES.map((name): [string, string] => [name, name]),
  ];

  it.each(['csv', 'sql', 'json-lines'] as const)('gives tables as %s that come back row for row', async (format) => {
    for (const [schema, name] of named) {
      // A composite's or regclass's text is the same; xml and point have no equality, so the server compares texts.
      const table = `${quoted(schema)}.${quoted(name)}`;
      const content = await download(schema, name, format);
      const before = await rowsOf(table);
      const client = await server.connect('rich');
      try {
        await client.query('BEGIN; SET LOCAL session_replication_role = replica');
        await client.query(`CREATE TEMP TABLE copy_of (LIKE ${table} INCLUDING ALL) ON COMMIT PRESERVE ROWS`);
        const columns = await columnsOf(table);
        const list = columns.map(quoted).join(', ');
        if (format === 'sql') {
          const sql = content
            .toString()
            .replaceAll(/^(BEGIN|COMMIT);\n/gm, '')
            .replaceAll(`INSERT INTO ${table} (`, 'INSERT INTO pg_temp.copy_of (');
          await client.query(sql);
        } else if (format === 'csv') {
          await copyInto(client, `COPY pg_temp.copy_of (${list}) FROM STDIN WITH (FORMAT csv, HEADER)`, [content]);
        } else {
          await client.query('CREATE TEMP TABLE lines (line text)');
          await copyInto(client, "COPY lines FROM STDIN WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')", [content]);
          const picked = columns.map((column) => `(r).${quoted(column)}`).join(', ');
          await client.query(
            `INSERT INTO pg_temp.copy_of (${list}) OVERRIDING SYSTEM VALUE SELECT ${picked} FROM (SELECT json_populate_record(NULL::pg_temp.copy_of, line::json) AS r FROM lines OFFSET 0) x`,
          );
        }
        const [row] = (
          await client.query<{ n: string; sum: string }>(
            'SELECT count(*)::text AS n, sum(hashtextextended(t::text, 0)::numeric)::text AS sum FROM pg_temp.copy_of t',
          )
        ).rows;
        expect([table, `${row?.n} rows, ${row?.sum}`]).toEqual([table, before]);
      } finally {
        await client.end();
      }
    }
  });

  async function columnsOf(table: string): Promise<string[]> {
    const rows = await server.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
      [table],
      'rich',
    );
    return rows.map(({ name }) => name);
  }

  it('gives a partitioned table with the rows of all partitions', async () => {
    expect((await download('sales', 'event', 'json-lines')).toString().trim().split('\n')).toHaveLength(3000);
  });

  it('keeps formulas from spreadsheets, and leaves numbers alone', async () => {
    const csv = (await download('public', 'nasty', 'csv', true)).toString();
    expect(csv).toContain("4,'=1+1,");
    expect(csv).toContain(',-5,-5,');
    expect((await download('public', 'nasty', 'csv')).toString()).toContain('4,=1+1,');
  });

  it('refuses a table that was cut off instead of giving a shorter one', async () => {
    const rows = backup.bytes.get('rows/sales/line')!;
    for (const cut of [rows.subarray(0, 5000), rows.subarray(0, rows.length - 1), rows.subarray(rows.indexOf('\n') + 1)]) {
      backup.bytes.set('rows/sales/line', cut);
      for (const format of ['csv', 'sql', 'json-lines'] as const)
        expect(await failureOf(download('sales', 'line', format))).toMatchObject({ code: 'dump_truncated' });
    }
    backup.bytes.set('rows/sales/line', rows);
  });
});
