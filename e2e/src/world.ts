import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startPlatform, type Platform, type PlatformOptions } from '@rahat/demo';
import { startPostgresql, startRedis, type PostgresqlServer } from '@rahat/test-servers';
import { STANDALONE, type Shape } from './shapes.js';

/** A platform in one of its shapes, and a source server of its own for one test file. */
export interface World extends AsyncDisposable {
  folder: string;
  source: PostgresqlServer;
  connection: PostgresqlConnection;
  platform: Platform;
  /** Of the platform. */
  owner: { email: string; password: string };
  /** Starts the platform again on the same data folder, e.g. after a kill. */
  startAgain(): Promise<Platform>;
}

interface WorldOptions {
  environment?: NodeJS.ProcessEnv;
  /** Before the platform starts; `parts` end after it. */
  prepare?(dataFolder: string, parts: AsyncDisposableStack): void;
}

/** Faults are met often here: waits for retries and for signs of life are short, ports are free ones. */
const QUICK = {
  RAHAT_SCHEDULER_TICK_SECONDS: '1',
  RAHAT_SCHEDULER_RETRY_SECONDS: '0.5',
  RAHAT_SCHEDULER_LOST_AFTER_SECONDS: '20',
  RAHAT_PORT: '0',
  RAHAT_METRICS_PORT: '0',
  RAHAT_POSTGRESQL_PORT: '0',
  RAHAT_REDIS_PORT: '0',
};

export async function openWorld(
  statements: string[] = [],
  shape: Shape = STANDALONE,
  { environment = {}, prepare }: WorldOptions = {},
): Promise<World> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rahat-e2e-'));
  await chmod(folder, 0o755);
  const source = await startPostgresql({ major: 15 });
  await source.query('CREATE DATABASE shop');
  for (const statement of statements) await source.query(statement, [], 'shop');
  await using parts = new AsyncDisposableStack();
  const options: PlatformOptions = {
    form: shape.form,
    dataFolder: path.join(folder, 'data'),
    email: 'owner@example.org',
    password: randomBytes(18).toString('base64'),
    environment: { ...QUICK, ...(await queuesOf(shape, parts)), ...environment },
  };
  prepare?.(options.dataFolder, parts);
  const platform = await startPlatform(options);
  const rest = parts.move();
  const world = {
    folder,
    source,
    connection: {
      host: source.host,
      port: source.port,
      user: source.user,
      password: source.password,
      maintenanceDatabase: 'postgres',
      tls: 'disable' as const,
    },
    platform,
    owner: { email: options.email, password: options.password },
    async startAgain() {
      world.platform = await startPlatform(options);
      return world.platform;
    },
    async [Symbol.asyncDispose]() {
      await world.platform.stop();
      await rest.disposeAsync();
      await source[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

/** The cluster brings its own Redis along; standalone is given one. */
async function queuesOf({ form, queues }: Shape, parts: AsyncDisposableStack): Promise<NodeJS.ProcessEnv> {
  if (form === 'cluster') return { RAHAT_QUEUES: queues };
  return queues === 'redis' ? { REDIS_URL: parts.use(await startRedis()).url } : {};
}

/** A table of text that neither compression nor deduplication makes much smaller; new at every call. */
export async function fillWithNoise(world: World, megabytes: number, database = 'shop'): Promise<void> {
  const run = (sql: string, parameters: unknown[] = []) => world.source.query(sql, parameters, database);
  await run('DROP TABLE IF EXISTS noise');
  await run('CREATE TABLE noise (id int, text text)');
  // PostgreSQL would try in vain to compress it, which takes most of the time.
  await run('ALTER TABLE noise ALTER text SET STORAGE EXTERNAL');
  await run(
    `INSERT INTO noise SELECT i, (SELECT string_agg(encode(sha512((random()::text || i || k)::bytea), 'hex'), '') FROM generate_series(1, 64) k)
       FROM generate_series(1, $1::int) i`,
    [megabytes * 122],
  );
}

/** Everything that any process of the platform has logged. */
export async function readLogs(world: World): Promise<string> {
  const folder = path.join(world.folder, 'data/logs');
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(path.join(folder, name), 'utf8')));
  return files.join('\n');
}
