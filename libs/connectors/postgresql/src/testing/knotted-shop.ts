/** Tables whose rows hang together in every way that makes an undo hard. */
export const SHOP_SQL = `
  CREATE TABLE country (code char(2) PRIMARY KEY, name text UNIQUE);
  CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, country char(2) REFERENCES country ON DELETE CASCADE,
    boss int REFERENCES customer ON DELETE SET NULL, note json, twice int GENERATED ALWAYS AS (id * 2) STORED);
  CREATE TABLE orders (customer int REFERENCES customer ON DELETE CASCADE, number int, at timestamptz DEFAULT now(), net numeric, PRIMARY KEY (customer, number));
  CREATE TABLE log (at int, what text, more json, padded char(8));
  CREATE TABLE event (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
  CREATE TABLE event_2 (what text, day date NOT NULL, id int NOT NULL);
  ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
  CREATE TABLE word (w text COLLATE "tr-TR-x-icu" PRIMARY KEY, n numeric);
  CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
  CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
  CREATE RULE keep AS ON DELETE TO log DO INSTEAD NOTHING;
  INSERT INTO country VALUES ('tr', 'Türkiye'), ('de', 'Deutschland'), ('nl', E'Neder\\tland\\n');
  INSERT INTO customer (email, country, note) SELECT n || '@x', 'tr', '{"a": 1}' FROM generate_series(1, 50) n;
  UPDATE customer SET boss = 1 WHERE id BETWEEN 2 AND 10;
  INSERT INTO orders SELECT 1 + n % 50, n, '2026-01-01', n / 3.0 FROM generate_series(1, 300) n;
  INSERT INTO log SELECT n % 10, 'line ' || n % 7, '[]', 'ab' FROM generate_series(1, 200) n;
  INSERT INTO event SELECT n, date '2026-01-01' + n, 'what ' || n FROM generate_series(1, 300) n;
  INSERT INTO word VALUES ('ı', 1), ('i', 1.0), ('I', 2), ('İ', 2.50), ('z', 3), ('ä', 4), ('Z', 5), ('a-b', 6), ('ab', 7);`;
