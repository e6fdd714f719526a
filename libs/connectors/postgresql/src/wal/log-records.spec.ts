import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { lsnText } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { parseLogPosition, parseSegmentName } from '../physical/log-position.js';
import { formatLogTime, type LogEvent, LogRecords, parseLogTime } from './log-records.js';

const SEGMENT = 16 << 20;
let server: PostgresqlServer;
let segments: { start: bigint; bytes: Buffer }[];
/** What PostgreSQL's own reader finds: position, transaction and time of each end of a transaction. */
let truth: { start: string; transaction: number; at: string }[];

beforeAll(async () => {
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on', wal_keep_size: '1GB', max_prepared_transactions: '5' } });
  await server.query('CREATE TABLE t (i int, filler text); ALTER TABLE t ALTER filler SET STORAGE EXTERNAL');
  const client = await server.connect();
  for (let i = 0; i < 400; i++) await client.query('INSERT INTO t VALUES ($1::int, repeat($1::text, 1 + $1::int * 37 % 9000))', [i]);
  await client.query('BEGIN; INSERT INTO t VALUES (1); ROLLBACK');
  await client.query('BEGIN; INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2); COMMIT');
  await client.query(`BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'a'`);
  await client.query(`COMMIT PREPARED 'a'`);
  await client.query(`BEGIN; CREATE TABLE other AS SELECT * FROM t; DROP TABLE t; COMMIT`);
  await client.query(`SELECT pg_create_restore_point('ünï "point"')`);
  await client.query('SELECT pg_switch_wal()');
  // One record of more than a segment's pages at a time, and many after it.
  await client.query(`SELECT pg_logical_emit_message(false, 'large', repeat('x', 20000000))`);
  for (let i = 0; i < 50; i++) await client.query('INSERT INTO other VALUES ($1)', [i]);
  await client.end();
  await server.stop('fast');

  const folder = join(server.dataFolder, 'pg_wal');
  const names = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
  segments = names.map((name) => ({ start: parseSegmentName(name, SEGMENT)!.start, bytes: readFileSync(join(folder, name)) }));
  let dump: string;
  try {
    dump = execFileSync('/usr/lib/postgresql/15/bin/pg_waldump', ['-p', folder, '-r', 'Transaction', names[0]!, names.at(-1)!], {
      encoding: 'utf8',
      env: { TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (error) {
    // It ends with an error where the log ends.
    dump = (error as { stdout: string }).stdout;
  }
  truth = dump.split('\n').flatMap((line) => {
    const parts = /tx:\s+(\d+), lsn: (\w+\/\w+),.*desc: (?:COMMIT|ABORT)\S* .*?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{6})/.exec(line);
    return parts ? [{ start: lsnText(parseLogPosition(parts[2]!)), transaction: Number(parts[1]), at: `${parts[3]}T${parts[4]}Z` }] : [];
  });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Reads what lies from `from` on, in pieces of these sizes. */
function read(from: bigint, sizes: () => number): { events: LogEvent[]; records: LogRecords } {
  const events: LogEvent[] = [];
  const records = new LogRecords(from, SEGMENT, (event) => events.push(event));
  for (const { start, bytes } of segments) {
    let at = from > start ? Number(from - start) : 0;
    while (at < bytes.length) {
      const size = sizes();
      records.push(bytes.subarray(at, at + size));
      at += size;
    }
  }
  return { events, records };
}

function seen(events: LogEvent[]): typeof truth {
  return events.flatMap((event) =>
    event.kind === 'transaction' ? [{ start: lsnText(event.start), transaction: event.transaction, at: formatLogTime(event.at) }] : [],
  );
}

describe('the records of a log', () => {
  it('are the ones that pg_waldump finds, however the bytes come', () => {
    expect(truth.length).toBeGreaterThan(450);
    const random = () => 1 + Math.floor(Math.random() * 10_000);
    for (const sizes of [() => 1 << 20, () => 1_001, random]) expect(seen(read(segments[0]!.start, sizes).events)).toEqual(truth);
    const { events } = read(segments[0]!.start, () => 1 << 16);
    expect(events.filter(({ kind }) => kind === 'restore point')).toMatchObject([{ name: 'ünï "point"' }]);
  });

  it('are found from the next page on, wherever the reading begins', () => {
    for (let round = 0; round < 20; round++) {
      const from = segments[0]!.start + BigInt(Math.floor(Math.random() * (2 << 20)));
      const found = seen(read(from, () => 1 << 16).events);
      expect(found).toEqual(truth.slice(truth.length - found.length));
      const nextPage = from - (from % 8192n) + 8192n;
      const due = truth.filter(({ start }) => parseLogPosition(start) >= nextPage + 8192n);
      expect(found.length).toBeGreaterThanOrEqual(due.length - 1);
    }
  });

  it('of bytes that are no log, and of another log, are none', () => {
    const events: LogEvent[] = [];
    const records = new LogRecords(0n, SEGMENT, (event) => events.push(event));
    records.push(Buffer.alloc(100_000));
    records.push(Buffer.alloc(100_000, 0xa5));
    expect(events).toEqual([]);
    const elsewhere = new LogRecords(segments[0]!.start + 0x40000000n, SEGMENT, (event) => events.push(event));
    elsewhere.push(segments[0]!.bytes);
    expect(events).toEqual([]);
    expect(elsewhere.lastStart).toBeUndefined();
  });

  it('after a damaged one are read again from a page on that tells where its records start', () => {
    const damaged = segments.map(({ start, bytes }, index) => ({ start, bytes: index === 0 ? Buffer.from(bytes) : bytes }));
    damaged[0]!.bytes.fill(0xff, 500_000, 500_100);
    const whole = segments;
    segments = damaged;
    const { events, records } = read(segments[0]!.start, () => 1 << 16);
    segments = whole;
    const found = seen(events);
    expect(records.breaks).toBeGreaterThan(0);
    expect(truth).toEqual(expect.arrayContaining(found));
    expect(found.at(-1)).toEqual(truth.at(-1));
  });
});

it('tells times to the microsecond', () => {
  for (const text of ['2026-11-27T22:10:56.123456Z', '1999-12-31T23:59:59.999999Z', '2000-01-01T00:00:00.000000Z'])
    expect(formatLogTime(parseLogTime(text))).toBe(text);
  expect(formatLogTime(parseLogTime('2026-11-27T14:05:00.5+03:00'))).toBe('2026-11-27T11:05:00.500000Z');
});
