import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { startFollower, type Mark } from './follower.js';

const PGBENCH = '/usr/lib/postgresql/15/bin/pgbench';
const CLIENTS = 8;
const SECONDS = 60;
const QUICK_SECONDS = 15;
/** About 15 MB of tables each. */
const SCALE = 20;
const COMMIT_SECONDS = 1;
const LAG_TARGET_SECONDS = 5;
const MEMORY_TARGET_MB = 200;
const SAMPLE_MS = 100;

/** pgbench at full speed on this machine, and a follower of its log beside it, in a process as the worker runs it. */
export async function walCase({ quick, log }: BenchOptions): Promise<BenchResult[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-wal-'));
  await using server = await startPostgresql({
    major: 15,
    settings: { full_page_writes: 'on', wal_level: 'replica', max_wal_size: '4GB', shared_buffers: '256MB', synchronous_commit: 'on' },
  });
  try {
    const seconds = quick ? QUICK_SECONDS : SECONDS;
    const alone = await playPgbench(server, ['-i', '-q', '-s', String(SCALE)]).then(() => loadFor(server, seconds));
    log(`pgbench alone: ${Math.round(alone.tps)} tps, ${alone.megabytesPerSecond.toFixed(1)} MB/s of log`);
    const { host, port, user, password } = server;
    await using follower = await startFollower({
      connection: { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'disable' },
      repository: path.join(folder, 'repository'),
      scratch: path.join(folder, 'scratch'),
      commitSeconds: COMMIT_SECONDS,
    });
    await follower.committed(await written(server));
    const marks: Mark[] = [];
    const sampling = sample(server, marks);
    const loaded = await loadFor(server, seconds);
    const atEnd = performance.now();
    await sampling.stop();
    await follower.committed(await written(server));
    const caughtUpSeconds = (performance.now() - atEnd) / 1000;
    const lags = lagsOf(marks, follower.marks).sort((a, b) => a - b);
    const end = await follower.stop();
    const [p95, worst] = [lags[Math.floor(lags.length * 0.95)] ?? NaN, lags.at(-1) ?? NaN];
    const what = `pgbench -c ${CLIENTS} for ${seconds} s`;
    const speed = `${loaded.megabytesPerSecond.toFixed(1)} MB/s of log at ${Math.round(loaded.tps)} tps (${Math.round(alone.tps)} without a follower), ${end.commits} commits, ${(end.addedBytes / 1e6).toFixed(0)} of ${(end.bytes / 1e6).toFixed(0)} MB stored`;
    return [
      {
        case: `lag of a followed log, ${what}, 95 % below`,
        ours: p95,
        unit: 's',
        target: `< ${LAG_TARGET_SECONDS} s`,
        met: p95 < LAG_TARGET_SECONDS,
        note: speed,
      },
      {
        case: `lag of a followed log, ${what}, worst`,
        ours: worst,
        unit: 's',
        target: `< ${LAG_TARGET_SECONDS} s`,
        met: worst < LAG_TARGET_SECONDS,
        note: `a commit each ${COMMIT_SECONDS} s; all committed ${caughtUpSeconds.toFixed(1)} s after the end`,
      },
      {
        case: `memory of the follower, ${what}`,
        ours: end.peakMb,
        unit: 'MB',
        target: `< ${MEMORY_TARGET_MB} MB`,
        met: end.peakMb < MEMORY_TARGET_MB,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function playPgbench(server: PostgresqlServer, args: string[]): Promise<string> {
  const connection = ['-h', server.host, '-p', String(server.port), '-U', server.user];
  const { stdout } = await promisify(execFile)(PGBENCH, [...connection, ...args, 'postgres'], { env: { PGPASSWORD: server.password } });
  return stdout;
}

async function loadFor(server: PostgresqlServer, seconds: number): Promise<{ tps: number; megabytesPerSecond: number }> {
  const before = await written(server);
  const output = await playPgbench(server, ['-n', '-c', String(CLIENTS), '-j', '2', '-T', String(seconds)]);
  const bytes = Number((await written(server)) - before);
  return { tps: Number(/tps = ([\d.]+)/.exec(output)?.[1]), megabytesPerSecond: bytes / 1e6 / seconds };
}

async function written(server: PostgresqlServer): Promise<bigint> {
  const [row] = await server.query<{ position: string }>(`SELECT (pg_current_wal_lsn() - '0/0')::text AS position`);
  return BigInt(row!.position);
}

function sample(server: PostgresqlServer, marks: Mark[]): { stop(): Promise<void> } {
  let going = true;
  const done = (async () => {
    const client = await server.connect();
    while (going) {
      const { rows } = await client.query<{ position: string }>(`SELECT (pg_current_wal_flush_lsn() - '0/0')::text AS position`);
      marks.push({ at: performance.now(), position: BigInt(rows[0]!.position) });
      await new Promise((slept) => setTimeout(slept, SAMPLE_MS));
    }
    await client.end();
  })();
  return {
    stop: () => {
      going = false;
      return done;
    },
  };
}

/** For each thing written: how long until it was committed. */
function lagsOf(marks: Mark[], commits: Mark[]): number[] {
  return marks.map(({ at, position }) => {
    const commit = commits.find((candidate) => candidate.position >= position);
    return commit ? Math.max(0, (commit.at - at) / 1000) : Infinity;
  });
}
