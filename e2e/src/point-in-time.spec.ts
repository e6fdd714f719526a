import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Backup, LogStream, Run, ServerWindows } from '@rahat/api-client';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { cliEnvironment, rahatBackup } from './cli.js';
import { descendants, kill9, untilAttemptProcess } from './processes.js';
import { startRestored } from './restored-server.js';
import { CLUSTER, shapes } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

/** The log of a real server from its first byte to a moment that was chosen afterwards. The tests follow upon each other. */
describe.each(shapes(CLUSTER))('recovery to a moment, by the command line ($form, $queues)', (shape) => {
  let world: World;
  let source: PostgresqlServer;
  let environment: NodeJS.ProcessEnv;
  /** What the source had acknowledged, and when by its own clock. */
  const acknowledged: { rows: number; at: string }[] = [];
  let writing = true;
  let writer: Promise<void>;

  const run = async <T>(...args: string[]) => {
    const result = await rahatBackup<T>(args, environment);
    if (result.error) throw new Error(JSON.stringify(result.error));
    return result.data;
  };
  const windows = () => run<ServerWindows>('server', 'windows', 'bank');
  const stream = async (): Promise<LogStream> => (await windows()).streams.find(({ state }) => state !== 'stopped')!;
  const backups = () => run<Backup[]>('backup', 'list', '--plan', 'every second');
  const slots = () => source.query<{ slot_name: string; active: boolean }>('SELECT slot_name, active FROM pg_replication_slots');

  async function write(): Promise<void> {
    const client = await source.connect('bank');
    try {
      for (let rows = 1; writing; rows++) {
        await client.query(`INSERT INTO transfers VALUES ($1::int, repeat(md5($1::int::text), 20))`, [rows]);
        const { rows: seen } = await client.query<{ at: string }>(
          `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
        );
        acknowledged.push({ rows, at: seen[0]!.at });
        await sleep(20);
      }
    } finally {
      await client.end();
    }
  }
  /** Until everything that was acknowledged so far lies in the window. */
  async function untilCovered(): Promise<void> {
    const last = acknowledged.at(-1)!.at;
    await until(`the window to reach ${last}`, async () => (((await windows()).to ?? '') >= last ? true : undefined));
  }
  async function expectRowsAt(moment: { rows: number; at: string }, name: string): Promise<void> {
    const folder = path.join(world.folder, name);
    const plan = await run<{ id: string; recovery: { timeline: number } }>(
      'restore',
      'plan',
      '--server',
      'bank',
      '--to-time',
      moment.at,
      '--folder',
      folder,
    );
    const restored = await run<Run>('restore', 'run', plan.id, '--follow');
    expect(restored.state).toBe('succeeded');
    await using server = await startRestored(folder, source);
    const [found] = await server.query<{ rows: number; highest: number }>(
      'SELECT count(*)::int AS rows, max(id)::int AS highest FROM transfers',
      'bank',
    );
    expect(found).toEqual({ rows: moment.rows, highest: moment.rows });
  }

  beforeAll(async () => {
    world = await openWorld([], shape);
    source = await startPostgresql({
      major: 15,
      settings: { full_page_writes: 'on', wal_level: 'replica', max_wal_senders: '10', max_slot_wal_keep_size: '2GB' },
    });
    await source.query('CREATE DATABASE bank');
    await source.query('CREATE TABLE transfers (id int PRIMARY KEY, text text)', [], 'bank');
    environment = {
      ...(await cliEnvironment(world.platform)),
      XDG_CONFIG_HOME: path.join(world.folder, 'config'),
      RAHAT_DB_PASSWORD: source.password,
      HOME: world.folder,
    };
    writer = write();
  }, 180_000);
  afterAll(async () => {
    writing = false;
    await writer;
    await world[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  });

  it('begins with a plan: a slot, a follower, and the base that the log needs, without anybody asking for it', async () => {
    await run('server', 'add', `postgresql://${source.user}@127.0.0.1:${source.port}/postgres?sslmode=disable`, '--name', 'bank');
    await run('storage', 'add', path.join(world.folder, 'storage'), '--name', 'nas');
    await run(
      'plan',
      'create',
      '--name',
      'every second',
      '--server',
      'bank',
      '--repository',
      'nas',
      '--method',
      'physical',
      '--continuous-log',
      '1',
      '--log-heartbeat',
      '1',
      '--verify',
      'none',
    );
    const known = await until('a window', async () => {
      const seen = await windows();
      return seen.windows.length > 0 && seen.from !== seen.to ? seen : undefined;
    });
    expect(known).toMatchObject({ gaps: [], windows: [{ open: true }], streams: [{ state: 'following' }] });
    expect(await slots()).toEqual([{ slot_name: known.streams[0]!.slot, active: true }]);
    expect(await backups()).toHaveLength(1);
  }, 180_000);

  it('has every acknowledged row of any moment since', async () => {
    await sleep(3_000);
    await untilCovered();
    const { from, to } = await windows();
    const inside = acknowledged.filter(({ at }) => at > from! && at <= to!);
    await expectRowsAt(inside[Math.floor(inside.length / 2)]!, 'middle');
  }, 180_000);

  it('gives one database of such a moment back to the live server', async () => {
    const { from, to } = await windows();
    const inside = acknowledged.filter(({ at }) => at > from! && at <= to!);
    const moment = inside[Math.floor(inside.length / 3)]!;
    const plan = await run<{ id: string; fromDatabase: string; steps: string[] }>(
      ...['restore', 'plan', '--server', 'bank', '--to-time', moment.at, '--from-database', 'bank', '--as', 'bank_then'],
    );
    expect(plan).toMatchObject({
      fromDatabase: 'bank',
      steps: expect.arrayContaining([expect.stringContaining('Recover the whole server')]),
    });
    const restored = await run<Run>('restore', 'run', plan.id, '--follow');
    expect(restored).toMatchObject({
      state: 'succeeded',
      evidence: { recovery: { target: { kind: 'time' } }, tables: [{ table: 'transfers', actualRows: moment.rows, matches: true }] },
    });
    expect(await source.query('SELECT count(*)::int AS rows, max(id)::int AS highest FROM transfers', [], 'bank_then')).toEqual([
      { rows: moment.rows, highest: moment.rows },
    ]);
  }, 180_000);

  it('goes on without a gap when the process of its follower is killed', async () => {
    const before = await stream();
    kill9([await untilAttemptProcess(world.platform.pid, before.run!)]);
    const killedAt = acknowledged.length;
    await until('another attempt', async () => ((await run<Run>('run', 'show', before.run!)).attempt > 1 ? true : undefined), 60_000);
    await sleep(2_000);
    await untilCovered();
    expect((await windows()).gaps).toEqual([]);
    await expectRowsAt(acknowledged[killedAt + 20]!, 'after the kill');
  }, 180_000);

  (shape.form === 'cluster' ? it : it.skip)(
    'and when its whole worker is, within a minute',
    async () => {
      const before = await stream();
      const { attempt } = await run<Run>('run', 'show', before.run!);
      kill9(await descendants(world.platform.pid, /backup-worker|run-child/));
      const killedAt = Date.now();
      await until('another attempt', async () => {
        const now = await run<Run>('run', 'show', before.run!);
        return now.attempt > attempt && now.state === 'running' ? true : undefined;
      });
      expect(Date.now() - killedAt).toBeLessThan(60_000);
      await untilCovered();
      expect((await windows()).gaps).toEqual([]);
    },
    180_000,
  );

  it('refuses a moment that cannot be reached, and says what can', async () => {
    const { error } = await rahatBackup(
      ['restore', 'plan', '--server', 'bank', '--to-time', '2020-01-01T00:00:00Z', '--folder', path.join(world.folder, 'never')],
      environment,
    );
    expect(error).toMatchObject({ code: 'recovery_target_unreachable' });
    expect(error!.hint).toContain((await windows()).from!.slice(0, 19));
  }, 60_000);

  it('proves itself by a test restore to a second that nobody chose', async () => {
    const [backup] = await backups();
    const { verifications } = await run<{ verifications: Run[] }>('backup', 'verify', backup!.id, '--level', 'FULL', '--follow').then(
      (result) =>
        'verifications' in (result as object) ? (result as { verifications: Run[] }) : { verifications: [result as unknown as Run] },
    );
    const evidence = verifications[0]!.evidence;
    expect(evidence).toMatchObject({ type: 'verification', level: 'FULL', recovery: { target: { kind: 'time' } } });
  }, 180_000);

  it('tells a lost slot as a gap, and makes a new base by itself within minutes', async () => {
    const before = await stream();
    await source.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active`);
    await until('the slot to be gone', async () => {
      await source.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active`);
      // In one go: a follower that is back before the checkpoint has its slot again, and no gap.
      return source.query(`SELECT pg_drop_replication_slot('${before.slot}'); SELECT pg_switch_wal(); CHECKPOINT`).then(
        () => true,
        () => undefined,
      );
    });
    const known = await until('a gap and a window behind it', async () => {
      const seen = await windows();
      return seen.gaps.length > 0 && seen.windows.length > 1 ? seen : undefined;
    });
    expect(known.gaps).toMatchObject([{ reason: 'slot_lost' }]);
    expect(await backups()).toHaveLength(2);
    await sleep(2_000);
    await untilCovered();
    const { from, to } = await windows();
    const inside = acknowledged.filter(({ at }) => at > from! && at <= to!);
    await expectRowsAt(inside[Math.floor(inside.length / 2)]!, 'behind the gap');
  }, 240_000);

  it('leaves no slot behind when the plan is deleted', async () => {
    await run('plan', 'delete', 'every second');
    await until('the slot to be dropped', async () => ((await slots()).length === 0 ? true : undefined), 90_000);
  }, 120_000);
});
