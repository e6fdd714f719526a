/** Names that break careless quoting, argument lists, connection strings, paths and keys. */
export const HOSTILE_NAMES = [
  'with "quotes"',
  "it's",
  'dots.in.name',
  ' leading and trailing ',
  '-d',
  '--file=/tmp/rahat-was-here',
  'host=127.0.0.1 port=1',
  'new\nline',
  'tab\tbed',
  '%2e%2e',
  '..',
  'a/b\\c',
  '$(id)',
  ';drop',
  'Ğüzel İsim 数据 🐘',
  'é'.repeat(31) + 'x',
  'select',
  "dbname='x'",
  '*',
  'back\\slash',
];

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A schema per hostile name with a table of the same name, and a column too. */
export const HOSTILE_SQL = HOSTILE_NAMES.map(
  (name) => `
  CREATE SCHEMA ${identifier(name)};
  CREATE TABLE ${identifier(name)}.${identifier(name)} (id serial PRIMARY KEY, ${identifier(name)} text);
  INSERT INTO ${identifier(name)}.${identifier(name)} (${identifier(name)}) SELECT 'row ' || n FROM generate_series(1, 3) n;`,
).join('\n');

/** Most kinds of objects that a database can hold, with rows whose text is easy to get wrong. */
export const RICH_SQL = `
  CREATE SCHEMA sales; CREATE SCHEMA hr;
  CREATE TYPE sales.state AS ENUM ('new', 'paid', 'sent');
  CREATE DOMAIN sales.amount AS numeric(12,2) CHECK (VALUE >= 0);
  CREATE SEQUENCE sales.invoice_number START 1000 INCREMENT 5;
  CREATE TABLE sales.customer (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, tags text[], extra jsonb DEFAULT '{}');
  CREATE TABLE sales.orders (
    id bigserial PRIMARY KEY, customer_id integer NOT NULL REFERENCES sales.customer ON DELETE CASCADE, state sales.state NOT NULL DEFAULT 'new',
    net sales.amount NOT NULL, gross numeric GENERATED ALWAYS AS (net * 1.2) STORED, number bigint DEFAULT nextval('sales.invoice_number'), at timestamptz NOT NULL DEFAULT now());
  CREATE INDEX orders_by_state ON sales.orders (state) WHERE state <> 'sent';
  CREATE TABLE sales.line (order_id bigint REFERENCES sales.orders, position integer, price double precision, note text, PRIMARY KEY (order_id, position));
  CREATE TABLE sales.event (id bigint, at date NOT NULL, payload bytea) PARTITION BY RANGE (at);
  CREATE TABLE sales.event_2025 PARTITION OF sales.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE sales.event_2026 PARTITION OF sales.event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  CREATE INDEX ON sales.event (at);
  CREATE TABLE hr.person (id serial PRIMARY KEY, name text); CREATE TABLE hr.manager (bonus money, since interval) INHERITS (hr.person);
  CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES;
  CREATE TABLE empty (id integer); CREATE UNLOGGED TABLE unlogged (v text); INSERT INTO unlogged VALUES ('x');
  CREATE TABLE texts (v text); INSERT INTO texts VALUES (''), (NULL), ('\\.'), (E'\\\\.'), (E'a\\nb\\rc\\td'), (E'\\\\'), ('\\N'), (repeat('long ', 200000)), ('ğ 数据 🐘');
  CREATE TABLE numbers (f double precision, r real, n numeric, b boolean, t time with time zone, u uuid, i inet, x xml, rng int4range, p point, bits bit(5), m money, c regclass);
  INSERT INTO numbers VALUES (0.1 + 0.2, 1.1, 'NaN', true, '12:00+03', gen_random_uuid(), '::1/64', '<a/>', '[1,5)', '(1.5,2)', B'10101', 12.34, 'sales.orders'); INSERT INTO numbers (f, r, n) VALUES ('-Infinity', 'NaN', 1e-30);
  INSERT INTO sales.customer (name, tags, extra) SELECT 'customer ' || n, ARRAY['a,b', 'c"d', NULL], jsonb_build_object('n', n) FROM generate_series(1, 2000) n;
  INSERT INTO sales.orders (customer_id, net, state) SELECT 1 + n % 2000, n / 7.0, (ARRAY['new', 'paid', 'sent'])[1 + n % 3]::sales.state FROM generate_series(1, 5000) n;
  INSERT INTO sales.line SELECT 1 + n % 5000, n / 5000, random(), md5(n::text) FROM generate_series(0, 19999) n;
  INSERT INTO sales.event SELECT n, date '2025-01-01' + (n % 700), decode(md5(n::text), 'hex') FROM generate_series(1, 3000) n;
  INSERT INTO hr.person (name) VALUES ('one'); INSERT INTO hr.manager (name, bonus, since) VALUES ('two', 1234.56, '1 year 2 mons 3 days 04:05:06');
  CREATE VIEW sales.open_orders AS SELECT o.*, c.name FROM sales.orders o JOIN sales.customer c ON c.id = o.customer_id WHERE state <> 'sent';
  CREATE MATERIALIZED VIEW sales.totals AS SELECT customer_id, sum(net) AS total FROM sales.orders GROUP BY 1; CREATE UNIQUE INDEX ON sales.totals (customer_id);
  CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
  CREATE TRIGGER touch BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.touch();
  CREATE PROCEDURE sales.nothing() LANGUAGE sql AS 'SELECT 1';
  CREATE RULE protect AS ON DELETE TO hr.person DO INSTEAD NOTHING;
  ALTER TABLE sales.customer ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON sales.customer USING (name = current_user);
  CREATE STATISTICS sales.spread ON customer_id, state FROM sales.orders;
  COMMENT ON TABLE sales.orders IS 'what was ordered'; COMMENT ON COLUMN sales.orders.net IS 'without tax';
  CREATE PUBLICATION everything FOR TABLE sales.orders;
  SELECT lo_from_bytea(1000 + n, decode(repeat(md5(n::text), n * 100), 'hex')) FROM generate_series(0, 5) n;
  COMMENT ON LARGE OBJECT 1001 IS 'a picture';`;

export const WIDE_SQL = `CREATE TABLE wide (${Array.from({ length: 1600 }, (_, index) => `column_${index} smallint`).join(', ')}); INSERT INTO wide (column_0, column_1599) VALUES (1, 2), (3, 4);`;
