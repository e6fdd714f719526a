import { HOSTILE_NAMES, HOSTILE_SQL, RICH_SQL, WIDE_SQL } from '../logical/sample-database.js';

/** Names of roles that break careless quoting; `PUBLIC` is not everybody. */
export const ODD_ROLES = [...HOSTILE_NAMES.filter((name) => !name.includes('\n')), 'PUBLIC', 'none of us', 'pg', 'CURRENT_USER'];

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const from = (least: number, major: number, sql: string): string => (major >= least ? sql : '');

/** Roles belong to the server. */
export const ODD_ROLES_SQL = ODD_ROLES.map((role) => `CREATE ROLE ${quoted(role)};`).join('\n');

const ROLES_AT_WORK = ODD_ROLES.map((role, index) => {
  const name = quoted(role);
  return `
  CREATE TABLE odd.owned_${index} (id int PRIMARY KEY, secret text); INSERT INTO odd.owned_${index} VALUES (${index}, 'of one role');
  ALTER TABLE odd.owned_${index} OWNER TO ${name};
  GRANT SELECT (a), UPDATE (b) ON odd.generated TO ${name} WITH GRANT OPTION;
  GRANT EXECUTE ON FUNCTION odd.twice(int) TO ${name};
  ALTER DEFAULT PRIVILEGES FOR ROLE ${name} IN SCHEMA odd GRANT SELECT ON TABLES TO ${name};
  CREATE POLICY policy_${index} ON odd.owned_${index} FOR SELECT TO ${name} USING (secret = current_user);
  ALTER TABLE odd.owned_${index} ENABLE ROW LEVEL SECURITY;
  CREATE USER MAPPING FOR ${name} SERVER elsewhere OPTIONS (user 'u${index}', password 'p''w\\d');`;
}).join('\n');

/** Partition trees of every kind and depth, one branch of which is on another server. */
const TREES = `
  CREATE TABLE odd.tree (region text NOT NULL, at date NOT NULL, id int NOT NULL, note text) PARTITION BY LIST (region);
  CREATE TABLE odd.tree_near PARTITION OF odd.tree FOR VALUES IN ('eu', 'tr', NULL) PARTITION BY RANGE (at);
  CREATE TABLE odd.tree_2025 PARTITION OF odd.tree_near FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
  CREATE TABLE odd.tree_2025_a PARTITION OF odd.tree_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE odd.tree_2025_b PARTITION OF odd.tree_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE odd.tree_other_years (note text, dropped int, id int NOT NULL, at date NOT NULL, region text NOT NULL);
  ALTER TABLE odd.tree_other_years DROP COLUMN dropped;
  ALTER TABLE odd.tree_near ATTACH PARTITION odd.tree_other_years DEFAULT;
  CREATE FOREIGN TABLE odd.tree_far PARTITION OF odd.tree FOR VALUES IN ('far') SERVER elsewhere OPTIONS (table_name 'far');
  CREATE TABLE odd.tree_rest PARTITION OF odd.tree DEFAULT;
  CREATE INDEX tree_note ON ONLY odd.tree (note); CREATE INDEX tree_rest_note ON odd.tree_rest (note); ALTER INDEX odd.tree_note ATTACH PARTITION odd.tree_rest_note;
  INSERT INTO odd.tree SELECT (ARRAY['eu', 'tr', 'us'])[1 + n % 3], date '2024-12-01' + n, n, md5(n::text) FROM generate_series(1, 500) n;
  CREATE TABLE odd.keyed (region text, id int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  CREATE TABLE odd.keyed_eu PARTITION OF odd.keyed FOR VALUES IN ('eu'); CREATE TABLE odd.keyed_rest PARTITION OF odd.keyed DEFAULT;
  CREATE TABLE odd.pointing (region text, id int, FOREIGN KEY (region, id) REFERENCES odd.keyed DEFERRABLE);
  INSERT INTO odd.keyed VALUES ('eu', 1), ('us', 2); INSERT INTO odd.pointing VALUES ('eu', 1), ('us', 2), (NULL, 7);
  CREATE TRIGGER watch AFTER INSERT ON odd.tree_rest FOR EACH ROW EXECUTE FUNCTION odd.nothing();`;

/** What depends on itself, or is only good together. */
const KNOTS = `
  CREATE TABLE odd.hen (id int PRIMARY KEY, egg int NOT NULL);
  CREATE TABLE odd.egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES odd.hen DEFERRABLE INITIALLY DEFERRED);
  ALTER TABLE odd.hen ADD FOREIGN KEY (egg) REFERENCES odd.egg DEFERRABLE INITIALLY DEFERRED;
  INSERT INTO odd.hen VALUES (1, 1); INSERT INTO odd.egg VALUES (1, 1);
  CREATE TABLE odd.grouped (id int PRIMARY KEY, v int); INSERT INTO odd.grouped VALUES (1, 2), (2, 3);
  CREATE VIEW odd.by_key WITH (security_barrier) AS SELECT id, v, count(*) AS n FROM odd.grouped GROUP BY id;
  CREATE VIEW odd.first AS SELECT 1 AS a; CREATE VIEW odd.second AS SELECT a FROM odd.first; CREATE OR REPLACE VIEW odd.first AS SELECT a FROM odd.second;`;

const OBJECTS = (major: number): string => `
  CREATE FUNCTION odd.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
  CREATE FUNCTION odd.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
  CREATE FUNCTION odd.ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
  CREATE EVENT TRIGGER odd_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION odd.ddl(); ALTER EVENT TRIGGER odd_ddl DISABLE;
  CREATE TABLE odd.generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED CHECK (b >= 0), t text COLLATE "C" DEFAULT E'a\\\\b''c', u text GENERATED ALWAYS AS (upper(t)) STORED);
  CREATE INDEX ON odd.generated (odd.twice(a)) INCLUDE (t) WHERE b > 4; INSERT INTO odd.generated (a) SELECT generate_series(0, 50);
  CREATE TABLE odd.identities (a int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT -5 MINVALUE -1000 MAXVALUE 100 CYCLE), b bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 7), v int);
  INSERT INTO odd.identities (v) SELECT generate_series(1, 20);
  CREATE TABLE odd.altered (a int, gone text, c int); INSERT INTO odd.altered VALUES (1, 'x', 2);
  ALTER TABLE odd.altered DROP COLUMN gone, ADD COLUMN late int DEFAULT 7, ALTER COLUMN c SET STATISTICS 500; ALTER TABLE odd.altered ALTER COLUMN c SET (n_distinct = -0.5);
  CREATE TABLE odd.ranges (during daterange, room int, EXCLUDE USING gist (during WITH &&)); INSERT INTO odd.ranges VALUES ('[2026-01-01,2026-02-01)', 1), ('empty', 2), ('(,2020-01-01]', 3);
  CREATE TYPE odd.pair AS (x int, y text[]); CREATE TYPE odd.state AS ENUM ('', 'it''s', 'ğ'); CREATE DOMAIN odd.pairs AS odd.pair[] CHECK (VALUE IS NOT NULL);
  CREATE TYPE odd.span AS RANGE (subtype = float8, subtype_diff = float8mi);
  CREATE TABLE odd.typed (p odd.pairs, s odd.state DEFAULT 'it''s', r odd.span, m odd.pair); INSERT INTO odd.typed VALUES (ARRAY[ROW(1, '{a,"b c",NULL}')::odd.pair], '', '[1.5,2)', ROW(NULL, '{}'));
  CREATE FUNCTION odd.pair_eq(odd.pair, odd.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).x = ($2).x';
  CREATE OPERATOR odd.=== (LEFTARG = odd.pair, RIGHTARG = odd.pair, FUNCTION = odd.pair_eq, COMMUTATOR = OPERATOR(odd.===));
  CREATE FUNCTION odd.pair_int(odd.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT ($1).x'; CREATE CAST (odd.pair AS int) WITH FUNCTION odd.pair_int(odd.pair) AS ASSIGNMENT;
  CREATE OPERATOR FAMILY odd.numbers USING btree; CREATE OPERATOR CLASS odd.backwards FOR TYPE int USING btree FAMILY odd.numbers AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
  CREATE AGGREGATE odd.product(float8) (SFUNC = float8mul, STYPE = float8, INITCOND = '1', PARALLEL = SAFE);
  CREATE COLLATION odd.plain FROM "C"; CREATE COLLATION odd.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE odd.loosely (t text COLLATE odd.loose PRIMARY KEY); INSERT INTO odd.loosely VALUES ('A'), ('b');
  CREATE TEXT SEARCH DICTIONARY odd.words (TEMPLATE = simple, stopwords = english); CREATE TEXT SEARCH CONFIGURATION odd.searching (COPY = simple);
  ALTER TEXT SEARCH CONFIGURATION odd.searching ALTER MAPPING FOR word WITH odd.words, simple;
  CREATE TABLE odd.indexed (i int[], t tsvector, p point, v text, h int); INSERT INTO odd.indexed SELECT ARRAY[n], to_tsvector('simple', 'word ' || n), point(n, n), 'v' || n, n FROM generate_series(1, 300) n;
  CREATE INDEX ON odd.indexed USING gin (i) WITH (fastupdate = off); CREATE INDEX ON odd.indexed USING gist (p); CREATE INDEX ON odd.indexed USING spgist (v); CREATE INDEX ON odd.indexed USING brin (h) WITH (pages_per_range = 4); CREATE INDEX ON odd.indexed USING hash (h);
  CREATE STATISTICS odd.spread (ndistinct, mcv) ON v, h FROM odd.indexed; ALTER STATISTICS odd.spread SET STATISTICS 300;
  ALTER TABLE odd.indexed CLUSTER ON indexed_p_idx;
  CREATE MATERIALIZED VIEW odd.counted AS SELECT count(*) AS n FROM odd.indexed; CREATE MATERIALIZED VIEW odd.over AS SELECT n + 1 AS n FROM odd.counted; CREATE MATERIALIZED VIEW odd.unfilled AS SELECT 1 AS a WITH NO DATA;
  CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON odd.altered DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION odd.nothing(); ALTER TABLE odd.altered DISABLE TRIGGER later;
  CREATE TRIGGER telling AFTER INSERT ON odd.grouped REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION odd.nothing(); ALTER TABLE odd.grouped ENABLE ALWAYS TRIGGER telling;
  CREATE RULE notice AS ON INSERT TO odd.ranges DO ALSO SELECT 1; CREATE PROCEDURE odd.done(INOUT a int DEFAULT 3) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; END $$;
  CREATE SEQUENCE odd.small AS smallint CYCLE MAXVALUE 9; SELECT nextval('odd.small');
  CREATE CONVERSION odd.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
  COMMENT ON CONSTRAINT generated_b_check ON odd.generated IS 'it''s \\ odd'; COMMENT ON OPERATOR odd.===(odd.pair, odd.pair) IS 'same'; COMMENT ON EVENT TRIGGER odd_ddl IS 'idle';
  CREATE PUBLICATION all_of_it FOR ALL TABLES WITH (publish = 'insert'); CREATE PUBLICATION a_few FOR TABLE odd.grouped, ONLY odd.hen;
  CREATE SUBSCRIPTION "odd sub" CONNECTION 'host=nowhere.invalid password=''p w''' PUBLICATION a, "b c" WITH (connect = false, slot_name = NONE);
  ${from(14, major, `CREATE TYPE odd.multi AS RANGE (subtype = int4, multirange_type_name = odd.many); CREATE TABLE odd.multis (m odd.many, d datemultirange); INSERT INTO odd.multis VALUES ('{[1,2),[5,9)}', '{}'); CREATE STATISTICS odd.expression ON (h % 7), (h % 11) FROM odd.indexed; CREATE FUNCTION odd.standard(a int) RETURNS int BEGIN ATOMIC SELECT a + 1; END; CREATE TABLE odd.compressed (t text COMPRESSION pglz); INSERT INTO odd.compressed VALUES (repeat('x', 100000));`)}
  ${from(15, major, `CREATE UNIQUE INDEX ON odd.grouped (v) NULLS NOT DISTINCT; CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA odd; CREATE PUBLICATION filtered FOR TABLE odd.grouped (id, v) WHERE (id > 1); CREATE VIEW odd.invoking WITH (security_invoker) AS SELECT 1 AS a; CREATE UNLOGGED SEQUENCE odd.fleeting;`)}
  ${from(16, major, `CREATE COLLATION odd.ruled (provider = icu, locale = 'und', rules = '&a < g'); CREATE TABLE odd.stored (t text STORAGE EXTERNAL);`)}
  ${from(17, major, `CREATE TABLE odd.many_ids (id int GENERATED ALWAYS AS IDENTITY, at int) PARTITION BY RANGE (at); CREATE TABLE odd.many_ids_1 PARTITION OF odd.many_ids FOR VALUES FROM (0) TO (10); INSERT INTO odd.many_ids (at) VALUES (1), (2); CREATE COLLATION odd.built (provider = builtin, locale = 'C.UTF-8');`)}
  ${from(18, major, `CREATE TABLE odd.virtual (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL, CONSTRAINT loose CHECK (a > 0) NOT ENFORCED, CONSTRAINT named NOT NULL a); INSERT INTO odd.virtual VALUES (1); CREATE TABLE odd.periods (id int4range, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS)); INSERT INTO odd.periods VALUES ('[1,2)', '[2026-01-01,2027-01-01)');`)}
  SELECT lo_from_bytea(7001, '\\x00ff'::bytea), lo_create(7002); ALTER LARGE OBJECT 7001 OWNER TO "PUBLIC"; GRANT SELECT ON LARGE OBJECT 7002 TO "it's"; COMMENT ON LARGE OBJECT 7002 IS 'empty';`;

/** Every kind of object that PostgreSQL of this major can hold, with rows, hostile names and odd roles (made before by `ODD_ROLES_SQL`). */
export function oddDatabaseSql(major: number): string {
  return `${RICH_SQL}${WIDE_SQL}${HOSTILE_SQL}
  CREATE SCHEMA odd; CREATE EXTENSION postgres_fdw; CREATE EXTENSION hstore SCHEMA odd; COMMENT ON EXTENSION hstore IS 'pairs';
  CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'x''y'); CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
  CREATE FOREIGN TABLE odd.far (id int OPTIONS (column_name 'ID'), note text) SERVER elsewhere OPTIONS (table_name 'far');
  ${KNOTS}${OBJECTS(major)}${TREES}${ROLES_AT_WORK}`;
}
