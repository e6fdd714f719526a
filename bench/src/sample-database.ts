/**
 * About one gigabyte at `sizeMb` = 1000: half pgbench-like accounts, half events of text, JSON and numbers, which compress
 * about three times (performance.md §1 describes the mix).
 */
export function sampleStatements(sizeMb: number): string[] {
  const accounts = Math.round(3300 * sizeMb);
  const events = Math.round(1500 * sizeMb);
  return [
    `CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))`,
    `INSERT INTO accounts SELECT i, i % 60, (i::bigint * 7919) % 100000, '' FROM generate_series(1, ${accounts}) i`,
    `CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz, kind text, payload jsonb, amount numeric(12,4), note text)`,
    `INSERT INTO events ${eventsFrom(1, events)}`,
    'VACUUM ANALYZE',
  ];
}

/** A day of work: 2 % of rows change, almost all of them among the newest, and 1 % is added. */
export function oneDayStatements(sizeMb: number): string[] {
  const accounts = Math.round(3300 * sizeMb);
  const events = Math.round(1500 * sizeMb);
  return [
    `UPDATE accounts SET abalance = abalance + 1 WHERE aid > ${Math.round(accounts * 0.98)}`,
    `UPDATE events SET note = note || '!' WHERE id > ${Math.round(events * 0.98)} OR id % 15000 = 0`,
    `INSERT INTO events ${eventsFrom(events + 1, Math.round(events * 1.01))}`,
  ];
}

function eventsFrom(first: number, last: number): string {
  return `SELECT i, timestamptz '2024-01-01' + i * interval '1 second', (ARRAY['click','view','purchase','login'])[1 + i % 4],
       jsonb_build_object('user', (i::bigint * 7919) % 100000, 'session', md5(i::text), 'path', '/shop/item/' || (i::bigint * 31) % 5000),
       ((i::bigint * 7919) % 10000000) / 10000.0, md5((i::bigint * 3)::text) || ' ' || md5((i / 10)::text)
     FROM generate_series(${first}, ${last}) i`;
}

/** Small tables, a thousand a statement: a transaction of all of them would need as many locks. */
export function* manyTablesStatements(count: number): Generator<string> {
  for (let first = 0; first < count; first += 1_000) {
    yield `DO $$ BEGIN FOR n IN ${first}..${Math.min(first + 1_000, count) - 1} LOOP
      EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, note text)', n); EXECUTE format('INSERT INTO t%s VALUES (%s, md5(%L))', n, n, n);
    END LOOP; END $$`;
  }
}
