import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupRequest, Job, JobProgress, SourceOrder } from '@rahat/connector-kit';
import { SourceLimitsInput, type RahatError, type SourceLimits } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { LimitWatch, type WatchOrders } from './limit-watch.js';
import { Pace } from './pace.js';

const ROWS = 120_000;
const LABEL = 'rhb_limits_1';
let primary: PostgresqlServer;
let standby: PostgresqlServer;
let scratchFolder: string;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-limits-'));
  primary = await startPostgresql({ major: 15, settings: { wal_keep_size: "'1GB'", full_page_writes: 'on' } });
  await primary.query('CREATE DATABASE shop');
  await primary.query(
    `CREATE TABLE orders AS SELECT n AS id, repeat(md5(n::text), 8) AS note FROM generate_series(1, ${ROWS}) n`,
    [],
    'shop',
  );
  await primary.query('CREATE TABLE load (id int, note text)', [], 'shop');
  standby = await startPostgresql({ major: 15, standbyOf: primary, settings: { wal_receiver_status_interval: '1s' } });
});
afterAll(async () => {
  await standby?.[Symbol.asyncDispose]();
  await primary?.[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

const context = () => ({ toolFolders: [], scratchFolder, signal: quietJob.signal });

interface Heard extends Job {
  lines: string[];
  slowed: string[];
  /** Pieces that the backup wrote. */
  pieces: number;
}

function hearing(): Heard {
  const lines: string[] = [];
  const slowed: string[] = [];
  return {
    ...quietJob,
    lines,
    slowed,
    pieces: 0,
    log: (_level, message) => void lines.push(message),
    progress: ({ slowedBy }: JobProgress) => slowedBy !== undefined && slowed.push(slowedBy),
  };
}

async function backUp(
  limits: Partial<SourceLimits>,
  job = hearing(),
  change: Partial<BackupRequest> = {},
  source = primary,
): Promise<ArtifactsInMemory> {
  await using session = await postgresqlConnector.open(connectionTo(source), context());
  const backup = new ArtifactsInMemory();
  backup.onPiece = () => void job.pieces++;
  const request = {
    method: 'postgresql.logical',
    database: 'shop',
    label: LABEL,
    limits: SourceLimitsInput.parse(limits),
    ...change,
  } as const;
  backup.facts = await session.backup(request, backup, job);
  return backup;
}

/** What was on its way when it was held up comes to its end. */
async function standsStill(job: Heard): Promise<void> {
  await delay(300);
  const before = job.pieces;
  await delay(900);
  expect(job.pieces).toBe(before);
}

const ourSessions = async (): Promise<number> =>
  Number((await primary.query(`SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '${LABEL}%'`))[0]!['count']);

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error(`It did not come about within 20 s: ${what.toString()}`);
    await delay(50);
  }
}

describe('a backup within the limits of its source', () => {
  it('is read slower, and not at all, while a standby lags, and at full speed when it has caught up; evidence tells', async () => {
    const job = hearing();
    await standby.query('SELECT pg_wal_replay_pause()');
    // Beyond twice the bound of one second soon.
    await primary.query(`INSERT INTO load SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n`, [], 'shop');
    const backing = backUp({ replicaLagSeconds: 1, bytesPerSecond: 6_000_000 }, job);
    await until(() => job.slowed.some((text) => text.startsWith('held up')));
    await standsStill(job);
    await standby.query('SELECT pg_wal_replay_resume()');
    const { facts, artifacts } = await backing;
    expect(artifacts.find(({ key }) => key === 'rows/public/orders')?.rows).toBe(ROWS);
    expect(facts.throttle).toMatchObject({ by: ['replicaLagSeconds'] });
    expect(facts.throttle!.heldSeconds).toBeGreaterThan(1);
    expect(facts.throttle!.throttledSeconds).toBeGreaterThanOrEqual(facts.throttle!.heldSeconds);
    expect(job.lines.join('\n')).toMatch(/not read for the time being: the standby 'walreceiver' is .* behind/);
    expect(job.lines.join('\n')).toMatch(/read again|full speed again/);
    await until(async () => (await ourSessions()) === 0);
  });

  it('gives way to a change of a table that waits for its locks, and leaves nothing on the server', async () => {
    const job = hearing();
    // Some 30 MB at this speed are minutes.
    const backing = failureOf(backUp({ yieldSeconds: 2, bytesPerSecond: 200_000 }, job));
    await until(
      async () => (await primary.query(`SELECT FROM pg_locks WHERE relation = 'orders'::regclass AND granted`, [], 'shop')).length > 0,
    );
    const asked = performance.now();
    const altering = primary.query('ALTER TABLE orders ADD COLUMN paid boolean', [], 'shop').then(() => performance.now() - asked);
    await delay(500);
    const reading = primary.query('SELECT count(*) FROM orders', [], 'shop');
    const waitedMs = await altering;
    await reading;
    expect(waitedMs).toBeGreaterThan(1_500);
    expect(waitedMs).toBeLessThan(7_000);
    expect(await backing).toMatchObject({ code: 'source_yielded', retryable: true, message: expect.stringContaining('2 sessions wait') });
    expect(await ourSessions()).toBe(0);
    expect(job.lines).toContainEqual(expect.stringContaining('for 2 s at most'));
    await primary.query('ALTER TABLE orders DROP COLUMN paid', [], 'shop');
  });

  it('looks at nothing where only its own speed is bounded, and says whose rights do not show the load', async () => {
    const start = performance.now();
    const { facts } = await backUp({ bytesPerSecond: 40_000_000 });
    expect(performance.now() - start).toBeGreaterThan(600);
    expect(facts.throttle).toBeUndefined();

    await primary.query(`CREATE ROLE courier LOGIN PASSWORD 'courier'`);
    await primary.query('GRANT pg_read_all_data TO courier');
    const connection = connectionTo(primary, { user: 'courier', password: 'courier' });
    await using session = await postgresqlConnector.open(connection, context());
    const backup = new ArtifactsInMemory();
    const limits = SourceLimitsInput.parse({ lockWaits: 5, bytesPerSecond: 60_000_000 });
    const { findings } = await session.backup({ method: 'postgresql.logical', database: 'shop', label: LABEL, limits }, backup, quietJob);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'source_load_unseen', fix: 'GRANT pg_monitor TO "courier";' }));
  });

  it('is held up as a base backup, too', async () => {
    const job = hearing();
    const idle = await primary.connect('shop');
    await idle.query('BEGIN');
    await idle.query('SELECT 1');
    const backing = backUp({ transactionSeconds: 1, bytesPerSecond: 30_000_000 }, job, { method: 'postgresql.physical' });
    await until(() => job.slowed.some((text) => /^held up .* a transaction of another session is open/.test(text)));
    await standsStill(job);
    await idle.query('COMMIT');
    const { facts } = await backing;
    await idle.end();
    expect(facts.throttle!.by).toEqual(['transactionSeconds']);
    expect(facts.evidence.trailerSeen).toBe(true);
  });
});

describe('the watch', () => {
  const orders = (limits: Partial<SourceLimits>, job: Job): { given: RahatError[]; orders: WatchOrders } => {
    const given: RahatError[] = [];
    const watch = { label: LABEL, limits: SourceLimitsInput.parse(limits), pace: new Pace(), job, longestHoldMs: 500 };
    return { given, orders: { ...watch, giveUp: (reason) => void given.push(reason) } };
  };

  it('gives the attempt up when the source is beyond its bounds for too long', async () => {
    const idle = await primary.connect('shop');
    await idle.query('BEGIN');
    await idle.query('SELECT 1');
    const attempt = await primary.connect('shop');
    await attempt.query(`SET application_name = '${LABEL}'`);
    const { given, orders: watchOrders } = orders({ transactionSeconds: 1 }, hearing());
    await using watch = new LimitWatch(connectionTo(primary), watchOrders);
    await until(() => given.length > 0);
    await watch[Symbol.asyncDispose]();
    expect(given).toEqual([expect.objectContaining({ code: 'source_overloaded', retryable: true })]);
    await expect(attempt.query('SELECT 1')).rejects.toThrow();
    await idle.end();
  });

  it('says once that it sees nothing, and leaves the backup alone', async () => {
    const job = hearing();
    const { given, orders: watchOrders } = orders({ lockWaits: 1 }, job);
    const watch = new LimitWatch(connectionTo(primary, { port: 1 }), watchOrders);
    await delay(2_500);
    await watch[Symbol.asyncDispose]();
    expect(job.lines).toEqual([expect.stringMatching(/can't be looked at, so its bounds are not kept meanwhile: .*can't be reached/)]);
    expect(given).toEqual([]);
    expect(watch.facts()).toMatchObject({ throttledSeconds: 0 });
  });
});

describe('the source of a backup', () => {
  const choose = (order: Partial<SourceOrder>, standbys: PostgresqlServer[] = [standby], from = primary) =>
    postgresqlConnector.chooseSource(
      connectionTo(from),
      standbys.map((server) => connectionTo(server)),
      { from: 'prefer-replica', lagSeconds: 5, ...order },
      context(),
    );

  it('is a standby of the same server that has caught up, from which both methods back up', async () => {
    const chosen = await choose({ from: 'replica-only' });
    expect(chosen).toMatchObject({ role: 'replica', connection: { port: standby.port }, passedOver: [] });
    expect(chosen.lagSeconds).toBeLessThan(5);
    const { artifacts } = await backUp({}, hearing(), {}, standby);
    expect(artifacts.find(({ key }) => key === 'rows/public/orders')?.rows).toBe(ROWS);
    const { facts } = await backUp({}, hearing(), { method: 'postgresql.physical' }, standby);
    expect(facts.evidence.trailerSeen).toBe(true);
  });

  it('is the primary where that is allowed and no standby is fit, and says why; else there is none', async () => {
    await standby.query('SELECT pg_wal_replay_pause()');
    try {
      await primary.query(`INSERT INTO load VALUES (1, 'late')`, [], 'shop');
      await delay(1_500);
      await primary.query(`INSERT INTO load VALUES (2, 'later')`, [], 'shop');
      const chosen = await choose({ lagSeconds: 0 });
      expect(chosen).toMatchObject({ role: 'primary', connection: { port: primary.port } });
      expect(chosen.passedOver).toEqual([expect.stringMatching(new RegExp(`:${standby.port}: it is .* behind, more than 0 s`))]);
      expect(await failureOf(choose({ from: 'replica-only', lagSeconds: 0 }))).toMatchObject({ code: 'replica_unfit', retryable: true });
    } finally {
      await standby.query('SELECT pg_wal_replay_resume()');
    }
    // A primary is no standby, and neither is what doesn't answer.
    expect((await choose({}, [primary])).passedOver[0]).toContain('takes writes of its own');
    expect(await failureOf(choose({ from: 'replica-only' }, []))).toMatchObject({ code: 'replica_unfit' });
    expect((await choose({ identity: '1' })).passedOver[0]).toContain('a standby of another server');
  });
});
