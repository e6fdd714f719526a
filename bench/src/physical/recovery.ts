import { execFile } from 'node:child_process';
import { appendFile, chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { lsnOf, RahatError } from '@rahat/contracts';
import { findPgClients, startPostgresql } from '@rahat/test-servers';
import type { BenchCase } from '../bench-cases.js';
import { BENCH_STREAM } from '../bench-run.js';
import { startFollower } from '../postgresql/follower.js';
import { runMeasured, type Command } from '../repository/measured-process.js';
import { median, ratioOf, type BenchResult } from '../result-table.js';
import { DATABASE, recovered, startSampleCluster, type SampleCluster, type TableSums } from './cluster.js';
import { PASSPHRASE, rahatCommand, writeRahatHome } from './contestants.js';

const SIZE_MB = 2000;
const LOG_MB = 300;
const QUICK = { sizeMb: 150, logMb: 40 };
const TARGET = 1.2;
const LOAD_SLICE_SECONDS = 3;
const CLIENTS = 8;
const LOOK_MS = 100;

/** A moment of the cluster, with what is needed to come to it. */
interface PointInTime {
  lsn: string;
  sums: TableSums;
  logMb: number;
  /** Ours: a repository with a base backup and the log since. */
  home: string;
  /** PostgreSQL's own: a copy of the data folder, and the archived log. */
  base: string;
  archive: string;
}

interface Recovered {
  restoreSeconds: number;
  replaySeconds: number;
  seconds: number;
}

/** A point in time out of our repository beside a copy of the data folder and PostgreSQL's own replay of archived log. */
export const recoveryCase: BenchCase = async ({ runs, sizeMb, quick, log }) => {
  const wantedMb = sizeMb ?? (quick ? QUICK.sizeMb : SIZE_MB);
  log(`filling a PostgreSQL 15 with ${wantedMb} MB …`);
  await using cluster = await startSampleCluster(15, wantedMb);
  const point = await makeHistory(cluster, quick ? QUICK.logMb : LOG_MB, log);
  const ours: Recovered[] = [];
  const theirs: Recovered[] = [];
  for (let run = 0; run <= runs; run++) {
    const mine = await recover(cluster, point, 'rahat', (folder) => ({
      ...rahatCommand(point.home, 'reads', 'recover', folder, BENCH_STREAM, point.lsn),
    }));
    const copied = await recover(cluster, point, 'a copy', (folder) => ({ program: 'cp', args: ['-rT', point.base, folder] }));
    log(`${run === 0 ? 'warm-up' : `run ${run}`}: rahat ${describe(mine)}; copy and replay ${describe(copied)}`);
    if (run === 0) continue;
    ours.push(mine);
    theirs.push(copied);
  }
  const size = `${((await cluster.sizeBytes()) / 1e6).toFixed(0)} MB and ${point.logMb.toFixed(0)} MB of log`;
  const row = (name: string, value: (taken: Recovered) => number, limit?: number): BenchResult => {
    const ratio = ratioOf(ours.map(value), theirs.map(value));
    return {
      case: `${name}, ${size}`,
      ours: median(ours.map(value)),
      theirs: median(theirs.map(value)),
      unit: 's',
      peer: 'cp -r without syncs, PostgreSQL 15',
      ratio,
      target: limit === undefined ? '–' : `≤ ${limit} × copy and replay`,
      met: limit === undefined || ratio.median <= limit,
    };
  };
  return [
    row('point-in-time restore, until the server takes writes', ({ seconds }) => seconds, TARGET),
    row('of which until the folder is there', ({ restoreSeconds }) => restoreSeconds),
    row('of which replay', ({ replaySeconds }) => replaySeconds),
  ];
};

async function makeHistory(cluster: SampleCluster, logMb: number, log: (line: string) => void): Promise<PointInTime> {
  const { server, scratch, user } = cluster;
  const place = (name: string): string => path.join(scratch, name);
  const [home, archive, base] = ['home', 'archive', 'base'].map(place) as [string, string, string];
  for (const folder of [home, archive]) await mkdir(folder);
  if (user) await chown(archive, user.uid, user.gid);
  await cluster.archiveWith(`cp %p ${archive}/%f`);
  await writeRahatHome(cluster, home);
  await runMeasured(rahatCommand(home, 'writes', 'create'));
  await using follower = await startFollower({
    connection: cluster.connection,
    repository: path.join(home, 'repository'),
    scratch: place('follower'),
    commitSeconds: 1,
    passphrase: PASSPHRASE,
  });
  await runMeasured(rahatCommand(home, 'writes', 'backup'));
  await runMeasured(baseBackup(cluster, base));
  const begun = await position(cluster);
  while (Number((await position(cluster)) - begun) < logMb * 1e6) await load(cluster);
  const sums = await cluster.sums();
  const reached = await position(cluster);
  const [{ lsn } = { lsn: '' }] = await server.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  // Recovery knows that it is past the target by what comes after it.
  await server.query(`SELECT pg_logical_emit_message(true, 'bench', 'after')`);
  const [segment] = await server.query<{ name: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS name');
  await archived(cluster, segment!.name);
  await follower.committed(reached + 1n);
  await follower.stop();
  const written = Number(reached - begun) / 1e6;
  log(`${written.toFixed(0)} MB of log since the base backup`);
  return { lsn, sums, logMb: written, home, base, archive };
}

async function recover(
  cluster: SampleCluster,
  { lsn, sums, archive }: PointInTime,
  who: 'rahat' | 'a copy',
  restore: (folder: string) => Command,
): Promise<Recovered> {
  const folder = path.join(cluster.scratch, 'recovered');
  await mkdir(folder, { mode: 0o700 });
  const began = performance.now();
  await runMeasured(restore(folder));
  if (who === 'a copy') await orderReplay(folder, archive, lsn);
  const restoreSeconds = (performance.now() - began) / 1000;
  await chmod(folder, 0o700);
  const { password, major } = cluster.server;
  await using copy = await startPostgresql({ major, restored: { folder, password }, settings: { archive_mode: 'off' } });
  const seconds = await recovered(copy, began);
  const found = await cluster.sums(copy);
  if (JSON.stringify(found) !== JSON.stringify(sums))
    throw new RahatError('restore_mismatch', `${who} came to other rows: ${JSON.stringify(found)}, not ${JSON.stringify(sums)}.`);
  return { restoreSeconds, replaySeconds: seconds - restoreSeconds, seconds };
}

/** As PostgreSQL's documentation tells to. */
async function orderReplay(folder: string, archive: string, lsn: string): Promise<void> {
  const settings = { restore_command: `cp ${archive}/%f %p`, recovery_target_lsn: lsn, recovery_target_action: 'promote' };
  await appendFile(
    path.join(folder, 'postgresql.auto.conf'),
    Object.entries(settings)
      .map(([name, value]) => `${name} = '${value}'\n`)
      .join(''),
  );
  await writeFile(path.join(folder, 'recovery.signal'), '');
}

function baseBackup({ server, socketFolder }: SampleCluster, folder: string): Command {
  const args = ['-h', socketFolder, '-p', String(server.port), '-U', server.user, '-Fp', '-X', 'none', '--checkpoint=fast', '-D', folder];
  return { program: tool('pg_basebackup'), args, env: { PGPASSWORD: server.password } };
}

/** Transactions of one row each, anywhere: most of what they log are whole pages, as on a server after a checkpoint. */
async function load({ server, scratch, socketFolder }: SampleCluster): Promise<void> {
  const script = path.join(scratch, 'transaction.sql');
  const [{ rows } = { rows: 1 }] = await server.query<{ rows: number }>('SELECT max(id)::int AS rows FROM events', [], DATABASE);
  await writeFile(script, `\\set id random(1, ${rows})\nUPDATE events SET amount = amount + 1 WHERE id = :id;\n`);
  const where = ['-h', socketFolder, '-p', String(server.port), '-U', server.user];
  const what = ['-n', '-f', script, '-c', String(CLIENTS), '-j', '2', '-T', String(LOAD_SLICE_SECONDS)];
  await promisify(execFile)(tool('pgbench'), [...where, ...what, DATABASE], { env: { PGPASSWORD: server.password } });
}

function tool(name: 'pg_basebackup' | 'pgbench'): string {
  const folder = findPgClients(15)?.folder;
  if (!folder) throw new RahatError('tool_missing', `A recovery is measured with ${name} 15.`, { hint: 'apt-get install postgresql' });
  return path.join(folder, name);
}

async function position({ server }: SampleCluster): Promise<bigint> {
  const [row] = await server.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  return lsnOf(row!.lsn);
}

async function archived({ server }: SampleCluster, segment: string): Promise<void> {
  for (;;) {
    const [row] = await server.query<{ name: string | null }>('SELECT last_archived_wal AS name FROM pg_stat_archiver');
    if ((row?.name ?? '') >= segment) return;
    await sleep(LOOK_MS);
  }
}

function describe({ seconds, restoreSeconds, replaySeconds }: Recovered): string {
  return `${seconds.toFixed(2)} s (restored in ${restoreSeconds.toFixed(2)} s, replayed in ${replaySeconds.toFixed(2)} s)`;
}
