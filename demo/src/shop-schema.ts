/** A sample shop that uses what real databases use; row counts scale with `scale` (1 = a few hundred megabytes). */
export function shopStatements(scale: number): string[] {
  const count = (rows: number) => Math.max(10, Math.round(rows * scale));
  return [
    ...SCHEMA,
    `INSERT INTO shop.customers (email, name, address, tags, signed_up)
     SELECT 'customer' || i || '@example.org', 'Müşteri ' || i, jsonb_build_object('city', (ARRAY['İzmir','Köln','Reykjavík','東京'])[1 + i % 4], 'zip', lpad((i % 99999)::text, 5, '0'), 'geo', jsonb_build_array(i % 90, i % 180)),
            ARRAY['tag' || i % 7, 'tag' || i % 11], timestamptz '2020-01-01' + i * interval '37 seconds'
     FROM generate_series(1, ${count(100_000)}) i`,
    `INSERT INTO shop.products (sku, title, price, attributes)
     SELECT 'SKU-' || i, 'Product ' || i || ' “' || md5(i::text) || '”', (i % 9000) / 100.0 + 0.99, jsonb_build_object('weight', i % 500, 'colours', jsonb_build_array('red', 'blue'), 'note', CASE WHEN i % 5 = 0 THEN E'line\\nbreak\\tand tab' END)
     FROM generate_series(1, ${count(20_000)}) i`,
    `INSERT INTO shop.orders (customer_id, status, placed_at, note)
     SELECT 1 + (i::bigint * 7919) % ${count(100_000)}, (ARRAY['new','paid','shipped','returned'])[1 + i % 4]::shop.order_status, timestamptz '2023-01-01' + (i % 1095) * interval '1 day' + i * interval '1 second', CASE WHEN i % 9 = 0 THEN 'Leave at the door, ' || md5(i::text) END
     FROM generate_series(1, ${count(500_000)}) i`,
    `INSERT INTO shop.order_items (order_id, placed_at, product_id, quantity, unit_price)
     SELECT o.id, o.placed_at, 1 + (o.id * 31 + k) % ${count(20_000)}, 1 + (o.id + k) % 5, ((o.id + k) % 9000) / 100.0 + 0.99
     FROM shop.orders o CROSS JOIN generate_series(1, 3) k`,
    `INSERT INTO billing.invoices (order_id, placed_at, number, lines, total, pdf)
     SELECT o.id, o.placed_at, 'INV-' || o.id, jsonb_build_array(jsonb_build_object('position', 1, 'text', md5(o.id::text)), jsonb_build_object('position', 2, 'text', md5((o.id * 2)::text))), (o.id % 100000) / 100.0,
            decode(md5(o.id::text) || md5((o.id + 1)::text) || md5((o.id + 2)::text), 'hex')
     FROM shop.orders o WHERE o.id % 2 = 0`,
    `INSERT INTO billing.payments (invoice_id, paid_at, method, amount) SELECT id, placed_at + interval '2 days', (ARRAY['card','wire','cash'])[1 + id % 3], total FROM billing.invoices`,
    `INSERT INTO "Support & Help"."ticket ""log""" ("Customer", "Message", opened) SELECT 1 + i % ${count(100_000)}, repeat(md5(i::text), 8), timestamptz '2024-01-01' + i * interval '1 minute' FROM generate_series(1, ${count(50_000)}) i`,
    `INSERT INTO shop.photos (product_id, image) SELECT i, lo_from_bytea(0, decode(repeat(md5(i::text), 2000), 'hex')) FROM generate_series(1, 20) i`,
    'REFRESH MATERIALIZED VIEW shop.revenue_per_month',
    'ANALYZE',
  ];
}

const SCHEMA = [
  'CREATE SCHEMA shop',
  'CREATE SCHEMA billing',
  'CREATE SCHEMA "Support & Help"',
  `CREATE TYPE shop.order_status AS ENUM ('new', 'paid', 'shipped', 'returned')`,
  `CREATE DOMAIN shop.money_amount AS numeric(12,2) CHECK (VALUE >= 0)`,
  `CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, address jsonb NOT NULL, tags text[] NOT NULL, signed_up timestamptz NOT NULL, search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name || ' ' || email)) STORED)`,
  `CREATE TABLE shop.products (id serial PRIMARY KEY, sku text NOT NULL UNIQUE, title text NOT NULL, price shop.money_amount NOT NULL, attributes jsonb)`,
  `CREATE TABLE shop.orders (id bigserial, customer_id bigint NOT NULL REFERENCES shop.customers, status shop.order_status NOT NULL, placed_at timestamptz NOT NULL, note text, PRIMARY KEY (id, placed_at)) PARTITION BY RANGE (placed_at)`,
  ...[2023, 2024, 2025].map(
    (year) => `CREATE TABLE shop.orders_${year} PARTITION OF shop.orders FOR VALUES FROM ('${year}-01-01') TO ('${year + 1}-01-01')`,
  ),
  `CREATE TABLE shop.orders_rest PARTITION OF shop.orders DEFAULT`,
  `CREATE TABLE shop.order_items (id bigserial PRIMARY KEY, order_id bigint NOT NULL, placed_at timestamptz NOT NULL, product_id int NOT NULL REFERENCES shop.products, quantity int NOT NULL CHECK (quantity > 0), unit_price shop.money_amount NOT NULL, FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders (id, placed_at))`,
  `CREATE INDEX order_items_by_product ON shop.order_items (product_id) INCLUDE (quantity)`,
  `CREATE INDEX products_by_attribute ON shop.products USING gin (attributes)`,
  `CREATE TABLE billing.invoices (id bigserial PRIMARY KEY, order_id bigint NOT NULL, placed_at timestamptz NOT NULL, number text NOT NULL UNIQUE, lines jsonb NOT NULL, total shop.money_amount NOT NULL, pdf bytea, FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders (id, placed_at))`,
  `CREATE TABLE billing.payments (id bigserial PRIMARY KEY, invoice_id bigint NOT NULL REFERENCES billing.invoices ON DELETE CASCADE, paid_at timestamptz NOT NULL, method text NOT NULL, amount shop.money_amount NOT NULL)`,
  `CREATE INDEX payments_by_invoice ON billing.payments (invoice_id)`,
  `CREATE TABLE "Support & Help"."ticket ""log""" ("Customer" bigint NOT NULL REFERENCES shop.customers, "Message" text, opened timestamptz)`,
  `CREATE TABLE shop.photos (product_id int PRIMARY KEY REFERENCES shop.products, image oid NOT NULL)`,
  `CREATE TABLE shop.audit_log (at timestamptz NOT NULL DEFAULT now(), what text NOT NULL)`,
  `CREATE TABLE shop.settings (key text PRIMARY KEY, value jsonb)`,
  `CREATE VIEW shop.open_orders AS SELECT o.id, c.name, o.placed_at FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id WHERE o.status IN ('new', 'paid')`,
  `CREATE MATERIALIZED VIEW shop.revenue_per_month AS SELECT date_trunc('month', placed_at) AS month, sum(quantity * unit_price) AS revenue FROM shop.order_items GROUP BY 1`,
  `CREATE SEQUENCE billing.receipt_number START 1000 INCREMENT 7`,
  `SELECT setval('billing.receipt_number', 4711)`,
  `CREATE FUNCTION shop.log_product_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.audit_log (what) VALUES (TG_OP || ' ' || NEW.sku); RETURN NEW; END $$`,
  `CREATE TRIGGER product_changes AFTER UPDATE ON shop.products FOR EACH ROW EXECUTE FUNCTION shop.log_product_change()`,
  `CREATE FUNCTION billing.outstanding(customer bigint) RETURNS numeric LANGUAGE sql STABLE AS $$ SELECT coalesce(sum(i.total), 0) FROM billing.invoices i LEFT JOIN billing.payments p ON p.invoice_id = i.id JOIN shop.orders o ON o.id = i.order_id WHERE p.id IS NULL AND o.customer_id = customer $$`,
  `ALTER TABLE billing.payments ENABLE ROW LEVEL SECURITY`,
  `CREATE POLICY big_payments_hidden ON billing.payments FOR SELECT USING (amount < 100000)`,
  `COMMENT ON TABLE shop.customers IS 'People who buy; a ''quoted'' comment'`,
  `INSERT INTO shop.settings VALUES ('theme', '{"dark": true}'), ('currency', '"EUR"')`,
];
