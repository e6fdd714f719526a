import { execFile } from 'node:child_process';
import { chown, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  serversWindows,
  type Backup,
  type CreatedLogPushToken,
  type LogStream,
  type Run,
  type Server,
  type ServerWindows,
} from '@rahat/api-client';
import { data } from '@rahat/demo';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { cliEnvironment, rahatBackup } from './cli.js';
import { kill9, untilAttemptProcess } from './processes.js';
import { startRestored } from './restored-server.js';
import { CLUSTER, shapes } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

const ISO_NOW = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Real servers whose archive_command is curl. The tests follow upon each other. */
describe.each(shapes(CLUSTER))('a server that pushes its log ($form, $queues)', (shape) => {
  let world: World;
  let source: PostgresqlServer;
  let environment: NodeJS.ProcessEnv;
  let token: CreatedLogPushToken;
  let newest: PostgresqlServer;
  let bank: string;
  let till: string;
  let number = 0;

  const run = async <T>(...args: string[]) => {
    const result = await rahatBackup<T>(args, environment);
    if (result.error) throw new Error(JSON.stringify(result.error));
    return result.data;
  };
  const windows = (id = bank): Promise<ServerWindows> => data(serversWindows({ client: world.platform.client, path: { id } }));
  const stream = async (): Promise<LogStream> => (await windows()).streams[0]!;

  /** Some megabytes and a row that tells how many there are. */
  async function write(): Promise<{ rows: number; at: string }> {
    number += 1;
    await source.query(
      `INSERT INTO transfers SELECT $1::int, string_agg(md5(random()::text), '') FROM generate_series(1, 20000)`,
      [number],
      'bank',
    );
    const [row] = await source.query<{ at: string }>(`SELECT ${ISO_NOW} AS at`);
    await sleep(20);
    // Only up to a later transaction can a moment be told.
    await source.query('INSERT INTO heartbeats VALUES (1)', [], 'bank');
    return { rows: number, at: row!.at };
  }
  /** After a failure PostgreSQL looks again in a minute, or when there is another segment. */
  async function nudge(server = source): Promise<string> {
    await server.query('SELECT pg_current_xact_id()');
    const [row] = await server.query<{ name: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS name');
    return row!.name;
  }
  const nudged = new Map<PostgresqlServer, number>();
  /** Each makes a segment: as seldom as helps. */
  async function nudgeSeldom(server = source): Promise<void> {
    if (Date.now() - (nudged.get(server) ?? 0) < 2_000) return;
    nudged.set(server, Date.now());
    await nudge(server);
  }
  async function pushAll(): Promise<string> {
    const name = await nudge();
    await until(`${name} to be pushed`, async () => {
      const [seen] = await source.query<{ last: string | null; failing: boolean }>(
        `SELECT last_archived_wal AS last, last_failed_time > last_archived_time AS failing FROM pg_stat_archiver`,
      );
      if (seen!.last !== null && seen!.last.slice(8, 24) >= name.slice(8)) return true;
      if (seen!.failing) await nudgeSeldom();
      return undefined;
    });
    return name;
  }
  async function expectRowsAt(moment: { rows: number; at: string }, name: string): Promise<void> {
    await until(`the window to reach ${moment.at}`, async () => (((await windows()).to ?? '') >= moment.at ? true : undefined));
    const folder = path.join(world.folder, name);
    const plan = await run<{ id: string }>('restore', 'plan', '--server', 'bank', '--to-time', moment.at, '--folder', folder);
    expect(await run<Run>('restore', 'run', plan.id, '--follow')).toMatchObject({ state: 'succeeded' });
    await using server = await startRestored(folder, source);
    const [found] = await server.query<{ rows: number; highest: number }>(
      'SELECT count(*)::int AS rows, max(id)::int AS highest FROM transfers',
      'bank',
    );
    expect(found).toEqual({ rows: moment.rows, highest: moment.rows });
  }
  /** By hand, as PostgreSQL does; gives the status. */
  async function curl(name: string, file: string, secret = token.secret): Promise<string> {
    const config = path.join(world.folder, `by-hand-${secret.slice(4, 36)}.conf`);
    await writeFile(config, `header = "Authorization: Bearer ${secret}"\n`, { mode: 0o600 });
    const address = `${world.platform.url}/api/v2/log-pushes/${name}`;
    const { stdout } = await promisify(execFile)('curl', [
      '--silent',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '-K',
      config,
      '--upload-file',
      file,
      address,
    ]);
    return stdout;
  }
  const segmentFile = (name: string) => path.join(source.dataFolder, 'pg_wal', name);

  async function start(major: 15 | 18): Promise<PostgresqlServer> {
    const settings = { full_page_writes: 'on', wal_level: 'replica', max_wal_senders: '10', archive_mode: 'on', wal_keep_size: '1GB' };
    const server = await startPostgresql({ major, settings });
    await server.query('CREATE DATABASE bank');
    await server.query('CREATE TABLE transfers (id int PRIMARY KEY, text text); CREATE TABLE heartbeats (i int)', undefined, 'bank');
    return server;
  }
  async function setUp(server: PostgresqlServer, name: string): Promise<string> {
    const address = `postgresql://${server.user}@127.0.0.1:${server.port}/postgres?sslmode=disable`;
    const added = await rahatBackup<{ server: Server }>(['server', 'add', address, '--name', name], {
      ...environment,
      RAHAT_DB_PASSWORD: server.password,
    });
    const file = path.join(world.folder, `push-${name}.conf`);
    token = await run<CreatedLogPushToken>('server', 'log-push', 'add', name, '--file', file, '--archive-timeout', '300');
    await writeFile(file, token.settings.file.content, { mode: 0o600 });
    const { uid, gid } = await stat(server.dataFolder);
    await chown(file, uid, gid);
    for (const statement of token.settings.sql.split('\n')) await server.query(statement);
    return added.data.server.id;
  }

  beforeAll(async () => {
    world = await openWorld([], shape);
    [source, newest] = await Promise.all([start(15), start(18)]);
    environment = {
      ...(await cliEnvironment(world.platform)),
      XDG_CONFIG_HOME: path.join(world.folder, 'config'),
      HOME: world.folder,
    };
  }, 180_000);
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await source?.[Symbol.asyncDispose]();
    await newest?.[Symbol.asyncDispose]();
  });

  it('is set up by what the command line prints, and begins with a base that the log needs', async () => {
    await run('storage', 'add', path.join(world.folder, 'storage'), '--name', 'nas');
    till = await setUp(newest, 'till');
    bank = await setUp(source, 'bank');
    await write();
    // Nobody asked for its log yet: it keeps it.
    await nudge();
    await until('a refused push', async () =>
      (await source.query<{ failed: boolean }>('SELECT failed_count > 0 AS failed FROM pg_stat_archiver'))[0]!.failed ? true : undefined,
    );
    await run(
      ...['plan', 'create', '--name', 'pushed', '--server', 'bank', '--server', 'till', '--repository', 'nas', '--method', 'physical'],
      ...['--verify', 'none', '--continuous-log', '60', '--log-heartbeat', '0', '--log-way', 'push'],
    );
    const baseIn = (id: string, server: PostgresqlServer) =>
      until('a base in the log', async () => {
        await nudgeSeldom(server);
        return (await windows(id)).windows.length > 0 ? true : undefined;
      });
    await Promise.all([baseIn(bank, source), baseIn(till, newest)]);
    expect(await windows()).toMatchObject({ gaps: [], streams: [{ way: 'push' }] });
    expect(await source.query('SELECT FROM pg_replication_slots')).toEqual([]);
    expect(await run<Backup[]>('backup', 'list', '--plan', 'pushed')).toHaveLength(2);
  }, 180_000);

  it('is recovered to a moment, with each row and no later one', async () => {
    await write();
    const moment = await write();
    await write();
    await pushAll();
    await expectRowsAt(moment, 'middle');
  }, 120_000);

  it('has each segment stored once, whoever is killed in the middle of a push', async () => {
    const { run: follower } = await stream();
    const pid = await untilAttemptProcess(world.platform.pid, follower!);
    await write();
    await nudge();
    await sleep(40);
    kill9([pid]);
    const name = await pushAll();
    // Again by hand, several at a time, as a server does that was restarted while a push was under way.
    expect(await Promise.all([1, 2, 3].map(() => curl(name, segmentFile(name))))).toEqual(['204', '204', '204']);
    expect((await windows()).gaps).toEqual([]);
  }, 180_000);

  it('takes no other bytes for the same, no foreign segment, and nobody else’s token', async () => {
    const name = await pushAll();
    const content = await readFile(segmentFile(name));
    const copy = path.join(world.folder, 'altered');
    const altered = async (at: number) => {
      const bytes = Buffer.from(content);
      bytes[at]! ^= 1;
      await writeFile(copy, bytes);
      return curl(name, copy);
    };
    expect(await altered(9_000_000)).toBe('409');
    expect((await stream()).message).toContain(name);
    expect(await altered(24)).toBe('409');
    expect(await altered(1)).toBe('422');
    expect(await curl(name, copy, `${token.secret.slice(0, -8)}00000000`)).toBe('401');
    expect(await curl(name, segmentFile(name))).toBe('204');
    expect((await stream()).message).toBeNull();
  }, 60_000);

  it('goes on over the beginning of a new timeline', async () => {
    await write();
    await source.stop('fast');
    await writeFile(path.join(source.dataFolder, 'recovery.signal'), '', { mode: 0o644 });
    await writeRestoreCommand();
    await source.restart();
    await until('the end of recovery', async () =>
      (await source.query<{ over: boolean }>('SELECT NOT pg_is_in_recovery() AS over'))[0]!.over ? true : undefined,
    );
    const after = await write();
    await write();
    expect((await pushAll()).slice(0, 8)).toBe('00000002');
    await until('the new timeline', async () => ((await stream()).timeline === 2 ? true : undefined));
    expect((await windows()).gaps).toEqual([]);
    await expectRowsAt(after, 'after the promotion');
  }, 180_000);

  it('that lost segments has a gap, and a new base by itself', async () => {
    await source.query(`ALTER SYSTEM SET archive_command = '/bin/true'`);
    await source.query('SELECT pg_reload_conf()');
    await sleep(500);
    await write();
    await pushAll();
    await source.query(token.settings.sql.split('\n')[1]!);
    await source.query('SELECT pg_reload_conf()');
    await sleep(500);
    await write();
    await pushAll();
    const known = await until(
      'a gap and a window behind it',
      async () => {
        await nudgeSeldom();
        const seen = await windows();
        return seen.gaps.length > 0 && seen.windows.length > 1 ? seen : undefined;
      },
      60_000,
    );
    expect(known.gaps).toMatchObject([{ reason: 'segment_missing' }]);
  }, 180_000);

  it('is proven by a test restore to a second in its log, with the newest PostgreSQL, too', async () => {
    const [base] = await run<Backup[]>('backup', 'list', '--server', 'till');
    await sleep(1_500);
    const [later] = await newest.query<{ at: string }>(`SELECT ${ISO_NOW} AS at`);
    await until('a second to choose behind the base', async () => {
      await nudgeSeldom(newest);
      return ((await windows(till)).to ?? '') >= later!.at ? true : undefined;
    });
    const verified = await run<{ verifications?: Run[] } & Run>('backup', 'verify', base!.id, '--level', 'FULL', '--follow');
    expect((verified.verifications?.[0] ?? verified).evidence).toMatchObject({ level: 'FULL', recovery: { target: { kind: 'time' } } });
  }, 120_000);

  async function writeRestoreCommand(): Promise<void> {
    const auto = path.join(source.dataFolder, 'postgresql.auto.conf');
    await writeFile(auto, `${await readFile(auto, 'utf8')}restore_command = '/bin/false'\n`);
  }
});
