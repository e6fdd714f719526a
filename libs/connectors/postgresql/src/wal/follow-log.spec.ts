import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lsnText, RahatError } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { parseLogPosition } from '../physical/log-position.js';
import { dropSlot, followFindings } from './index.js';
import {
  caughtUp,
  connectionTo,
  failureOf,
  followedSettings,
  followRequest,
  LogInMemory,
  quietJob,
  startFollower,
  until,
} from './test-parts.js';

let server: PostgresqlServer;
let log: LogInMemory;
beforeEach(async () => {
  log = new LogInMemory();
  server = await startPostgresql({ major: 15, settings: { ...followedSettings, wal_sender_timeout: '3s' } });
  await server.query('CREATE TABLE t (i int, filler text); ALTER TABLE t ALTER filler SET STORAGE EXTERNAL');
});
afterEach(() => server[Symbol.asyncDispose]());

const write = (megabytes: number) =>
  server.query(`INSERT INTO t SELECT i, repeat(md5(i::text), 32768) FROM generate_series(1, ${megabytes}) i`);
const slot = async () =>
  (
    await server.query<{ restart: string; active: number | null; status: string }>(
      `SELECT restart_lsn::text AS restart, active_pid AS active, wal_status AS status FROM pg_replication_slots WHERE slot_name = 'rhb_spec'`,
    )
  )[0];
/** Nothing lacks, nothing comes twice, whatever cut it. */
function expectOneLine(): void {
  for (const [index, range] of log.ranges.entries()) {
    const before = log.ranges[index - 1];
    if (before) expect(`${range.timeline} ${range.start}`).toBe(`${before.timeline} ${before.end}`);
  }
}

/**
 * A way to the server on which each standby status update is seen (protocol-replication: 'r', then written, flushed, applied), and
 * where the server says something right after it has begun to stream, before it looks for its log.
 */
class StatusWire implements AsyncDisposable {
  readonly flushed: bigint[] = [];
  port = 0;
  private readonly sockets = new Set<Socket>();
  private readonly listener = createServer((client) => {
    const upstream = connect(server.port, server.host);
    for (const socket of [client, upstream]) this.sockets.add(socket.on('error', () => undefined));
    client.on('data', (bytes) => this.look(bytes)).pipe(upstream);
    upstream.on('data', (bytes) => client.write(bytes.equals(COPY_BOTH) ? Buffer.concat([bytes, KEEPALIVE]) : bytes));
    upstream.on('end', () => client.end());
  });

  static async open(): Promise<StatusWire> {
    const wire = new StatusWire();
    await new Promise<void>((listening) => wire.listener.listen(0, '127.0.0.1', listening));
    wire.port = (wire.listener.address() as AddressInfo).port;
    return wire;
  }

  private look(bytes: Buffer): void {
    for (let at = bytes.indexOf(STATUS); at >= 0; at = bytes.indexOf(STATUS, at + 1)) this.flushed.push(bytes.readBigUInt64BE(at + 14));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.listener.close(done));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
/** CopyBothResponse, of no columns. */
const COPY_BOTH = Buffer.from('W\0\0\0\x07\0\0\0', 'latin1');
/** CopyData of 22 bytes: 'k', its end of log, its clock, and that it wants an answer. */
const KEEPALIVE = Buffer.concat([Buffer.from('d\0\0\0\x16k', 'latin1'), Buffer.alloc(16), Buffer.of(1)]);
/** CopyData of 38 bytes that begins with 'r'. */
const STATUS = Buffer.from('d\0\0\0\x26r', 'latin1');

describe('a follower', () => {
  it('goes on receiving while a commit is slow, acknowledges only what is committed, and keeps the server waiting when it has enough', async () => {
    let slow = false;
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    log.onCommit = () => (slow ? held : undefined);
    await using follower = startFollower(connectionTo(server), log);
    await caughtUp(server, log, follower);
    slow = true;
    const committed = parseLogPosition(log.end.lsn);
    const kept = log.kept.length;
    await write(100);
    // Twice the server's time-out: it would have ended a client that it does not hear of.
    await delay(6_000);
    const state = (
      await server.query<{ flush: string; write: string; sent: string; n: number }>(
        `SELECT flush_lsn::text AS flush, write_lsn::text AS write, sent_lsn::text AS sent, count(*) OVER ()::int AS n FROM pg_stat_replication WHERE application_name = 'rhb-spec' AND state IS NOT NULL`,
      )
    )[0]!;
    expect(parseLogPosition(state.flush)).toBe(committed);
    expect(parseLogPosition(state.write)).toBe(committed);
    expect(parseLogPosition((await slot())!.restart)).toBeLessThanOrEqual(committed);
    // Two buffers of 8 MiB, and what lies in the sockets.
    const taken = Number(parseLogPosition(state.sent) - committed);
    expect(taken).toBeGreaterThan(8 << 20);
    expect(taken).toBeLessThan(40 << 20);
    expect(log.kept).toHaveLength(kept);
    slow = false;
    release();
    await caughtUp(server, log, follower);
    await until(
      async () => (await slot())?.restart === log.end.lsn || parseLogPosition((await slot())!.restart) >= parseLogPosition(log.end.lsn),
      follower,
    );
    expect(Math.max(...log.kept.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(8 << 20);
    expectOneLine();
    expect(follower.warnings).toEqual([]);
  }, 120_000);

  it('begins again exactly where its log ends, in the middle of a record and while its former connection is still open', async () => {
    await using first = startFollower(connectionTo(server), log);
    await write(3);
    await caughtUp(server, log, first);
    const cut = log.kept.at(-1)!;
    // As if the last commit had ended in the middle of a record.
    const half = cut.bytes.length - 13;
    cut.bytes = cut.bytes.subarray(0, half);
    cut.range = { ...cut.range, end: lsnText(parseLogPosition(cut.range.start) + BigInt(half)) };
    const other = new LogInMemory();
    await using second = startFollower(connectionTo(server), other, { from: log.end });
    await until(() => other.kept.length > 0, second);
    expect(other.ranges[0]?.start).toBe(cut.range.end);
    const failure = await failureOf(first.end);
    expect(failure).toMatchObject({ code: 'log_slot_in_use', retryable: true });
    await caughtUp(server, other, second);
    expect(await second.stop()).toMatchObject({ reason: 'stopped', position: other.end });
  });

  it('goes on over restarts and crashes of the server, which do not wait for it', async () => {
    await using follower = startFollower(connectionTo(server), log, { commitSeconds: 30 });
    await until(async () => (await slot())?.active != null, follower);
    await write(1);
    const begun = Date.now();
    await server.restart();
    expect(Date.now() - begun).toBeLessThan(15_000);
    await write(1);
    await server.kill9();
    await delay(1_000);
    await server.restart();
    await write(1);
    const { reason } = await (async () => {
      const [row] = await server.query<{ position: string }>('SELECT pg_current_wal_insert_lsn()::text AS position');
      await until(() => parseLogPosition(log.serverLsn) >= parseLogPosition(row!.position), follower);
      await delay(300);
      return follower.stop();
    })();
    expect(reason).toBe('stopped');
    await caughtUp(server, log);
    expectOneLine();
  });

  it('makes a transaction on an idle server, so that its hours can be restored to', async () => {
    await using follower = startFollower(connectionTo(server), log, { heartbeatSeconds: 1 });
    await caughtUp(server, log, follower);
    const last = () => log.ranges.findLast((range) => range.lastCommitAt)?.lastCommitAt ?? '';
    const before = last();
    await until(() => last() > before, follower);
    const once = last();
    await until(() => last() > once, follower);
    expect(Date.parse(last()) - Date.parse(once)).toBeGreaterThanOrEqual(900);
  });

  it('goes on without a gap when its slot was dropped and the log is still there, and tells a gap when it is not', async () => {
    const first = startFollower(connectionTo(server), log);
    await write(1);
    await caughtUp(server, log, first);
    await first.stop();
    await dropSlot(connectionTo(server), 'rhb_spec', quietJob.signal);
    await write(1);
    const second = startFollower(connectionTo(server), log, { from: log.end });
    await caughtUp(server, log, second);
    await second.stop();
    expectOneLine();
    await dropSlot(connectionTo(server), 'rhb_spec', quietJob.signal);
    for (let i = 0; i < 3; i++)
      await server
        .query('SELECT pg_switch_wal()')
        .then(() => write(1))
        .then(() => server.query('CHECKPOINT'));
    const third = startFollower(connectionTo(server), log, { from: log.end });
    expect(await third.end).toMatchObject({ reason: 'gap', gap: 'slot_lost', position: log.end });
    // The slot is there again: the next base backup and the log behind it are safe.
    expect((await slot())?.status).toBe('reserved');
    const after = new LogInMemory();
    await using fourth = startFollower(connectionTo(server), after);
    await caughtUp(server, after, fourth);
    expect(Number(parseLogPosition(after.ranges[0]!.start) % 0x1000000n)).toBe(0);
  });

  it('acknowledges nothing to a server that lacks its log, whose new slot would go back to where there is none', async () => {
    const first = startFollower(connectionTo(server), log);
    await write(1);
    await caughtUp(server, log, first);
    await first.stop();
    await dropSlot(connectionTo(server), 'rhb_spec', quietJob.signal);
    for (let i = 0; i < 3; i++)
      await server
        .query('SELECT pg_switch_wal()')
        .then(() => write(1))
        .then(() => server.query('CHECKPOINT'));
    await using wire = await StatusWire.open();
    const second = startFollower(connectionTo(server, { host: '127.0.0.1', port: wire.port, tls: 'disable' }), log, { from: log.end });
    expect(await second.end).toMatchObject({ reason: 'gap', gap: 'slot_lost' });
    expect(wire.flushed.filter((position) => position !== 0n)).toEqual([]);
    expect(parseLogPosition((await slot())!.restart)).toBeGreaterThan(parseLogPosition(log.end.lsn));
  });

  it('tells a gap when the server invalidated its slot', async () => {
    const first = startFollower(connectionTo(server), log);
    await caughtUp(server, log, first);
    await first.stop();
    await server.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'`);
    await server.query('SELECT pg_reload_conf()');
    for (let i = 0; i < 5; i++)
      await server
        .query('SELECT pg_switch_wal()')
        .then(() => write(1))
        .then(() => server.query('CHECKPOINT'));
    expect((await slot())?.status).toBe('lost');
    const second = startFollower(connectionTo(server), log, { from: log.end });
    expect(await second.end).toMatchObject({ reason: 'gap', gap: 'slot_lost', message: expect.stringContaining('already been removed') });
  });

  it('refuses another server at the same address', async () => {
    const follower = startFollower(connectionTo(server), log, { identity: '1234567890123456789' });
    expect(await follower.end).toMatchObject({ reason: 'gap', gap: 'source_replaced' });
    expect(await slot()).toBeUndefined();
  });

  it('refuses a server that was set back behind what is kept', async () => {
    const follower = startFollower(connectionTo(server), log, { from: { timeline: 1, lsn: 'F/0' } });
    expect(await follower.end).toMatchObject({ reason: 'gap', gap: 'timeline_diverged' });
    const other = startFollower(connectionTo(server), log, { from: { timeline: 7, lsn: '0/2000000' } });
    expect(await other.end).toMatchObject({ reason: 'gap', gap: 'timeline_diverged' });
  });

  it('gives the storage’s error as it is, and has acknowledged nothing of what failed', async () => {
    log.onCommit = () => {
      throw new RahatError('storage_full', 'The storage is full');
    };
    const follower = startFollower(connectionTo(server), log);
    expect(await failureOf(follower.end)).toMatchObject({ code: 'storage_full', message: 'The storage is full' });
    expect(log.kept).toEqual([]);
  });

  it('lets the server go when its stream is removed, also while it streams', async () => {
    await using follower = startFollower(connectionTo(server), log);
    await until(async () => (await slot())?.active != null, follower);
    await dropSlot(connectionTo(server), followRequest.slot, quietJob.signal);
    await follower.stop();
    await dropSlot(connectionTo(server), followRequest.slot, quietJob.signal);
    await dropSlot(connectionTo(server), followRequest.slot, quietJob.signal);
    expect(await slot()).toBeUndefined();
  });

  it('says beforehand what stands in the way', async () => {
    await server.query(`CREATE ROLE "o'clock" LOGIN PASSWORD 'secret'`);
    const weak = connectionTo(server, { user: "o'clock", password: 'secret' });
    expect(await followFindings(weak, quietJob.signal)).toMatchObject([
      { code: 'replication_right_missing', severity: 'blocker', fix: expect.stringContaining(`ALTER ROLE "o'clock" REPLICATION;`) },
      { code: 'slot_keeps_without_limit', severity: 'warning', fix: expect.stringContaining('max_slot_wal_keep_size') },
    ]);
    await server.query(`ALTER ROLE "o'clock" REPLICATION`);
    expect((await followFindings(weak, quietJob.signal)).map(({ code }) => code)).toEqual(['slot_keeps_without_limit']);
    // The right is enough: the whole cycle works as this user.
    await using follower = startFollower(weak, log, { heartbeatSeconds: 1 });
    await caughtUp(server, log, follower);
    await follower.stop();
    await dropSlot(weak, followRequest.slot, quietJob.signal);
    expect(await slot()).toBeUndefined();
  });
});
