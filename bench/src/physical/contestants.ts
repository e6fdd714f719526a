import { existsSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProcess } from '@rahat/execution';
import { findPgClients } from '@rahat/test-servers';
import { findProgram } from '../find-program.js';
import type { Command } from '../repository/measured-process.js';
import type { SampleCluster } from './cluster.js';

/** Who backs the cluster up, and restores it into a folder. */
export interface PhysicalContestant {
  name: string;
  version: string;
  settings: string;
  /** Whose bytes are what it stored. */
  repository: string;
  /** Once, before the first backup. */
  create(): Promise<Command | undefined>;
  /** The first one, or one after changes. */
  backUp(which: 'first' | 'next'): Command;
  /** The newest one, into an empty folder. */
  restore(folder: string): Command;
  /** How the server archives its log while this one backs it up, where it must. */
  archiveCommand?: string;
}

/** Makes a contestant that keeps everything below `home`. */
export type PhysicalContestantFactory = (cluster: SampleCluster, home: string) => Promise<PhysicalContestant>;

const CORES = Math.min(os.availableParallelism(), 8);
/** The worker's own heap limit for a run. */
const HEAP_MB = 192;
const CHILD = fileURLToPath(new URL('./physical-child.js', import.meta.url));
export const PASSPHRASE = 'a passphrase of the measurement';

/** A command of ours, on the repository below `home`. */
export function rahatCommand(home: string, work: 'reads' | 'writes', ...args: string[]): Command {
  const { execArgv, env } = runProcess(HEAP_MB, work);
  return { program: process.execPath, env, args: [...execArgv, CHILD, home, ...args] };
}

/** What `rahatCommand` needs to know. */
export async function writeRahatHome(cluster: SampleCluster, home: string): Promise<void> {
  await writeFile(path.join(home, 'passphrase'), PASSPHRASE, { mode: 0o600 });
  await writeFile(path.join(home, 'source.json'), JSON.stringify(cluster.connection), { mode: 0o600 });
}

/** `incremental`: the server sends only changed blocks after the first one (PostgreSQL 17 and newer). */
export function rahat(next: 'backup' | 'incremental' = 'backup'): PhysicalContestantFactory {
  return async (cluster, home) => {
    await writeRahatHome(cluster, home);
    return {
      name: next === 'backup' ? 'rahat' : 'rahat, incremental',
      version: process.version,
      settings: `zstd 3, AES-256-GCM, Argon2id 64 MiB × 3${next === 'backup' ? ', always full' : ''}`,
      repository: path.join(home, 'repository'),
      create: () => Promise.resolve(rahatCommand(home, 'writes', 'create')),
      backUp: (which) => rahatCommand(home, 'writes', which === 'first' ? 'backup' : next),
      restore: (folder) => rahatCommand(home, 'reads', 'restore', folder),
    };
  };
}

/** The first that knows block incremental backups, and the first that knows PostgreSQL 18. */
const BLOCK_INCREMENTAL = 2.46;
const KNOWS_18 = 2.57;

/** pgBackRest beside its server, whose user it must be. */
export function findPgbackrest(major: number): PhysicalContestantFactory | undefined {
  const found = findProgram('pgbackrest', ['version'], /pgBackRest (\d+\.\d+)/);
  if (!found || (major >= 18 && Number(found.version) < KNOWS_18)) return undefined;
  const blocks = Number(found.version) >= BLOCK_INCREMENTAL;
  return async (cluster, home) => {
    const { server, user, socketFolder } = cluster;
    const repository = path.join(home, 'repository');
    const passwordFile = path.join(home, 'password');
    const config = path.join(home, 'pgbackrest.conf');
    await writeFile(passwordFile, `*:*:*:*:${server.password}\n`, { mode: 0o600 });
    const lines = [
      '[global]',
      `repo1-path=${repository}`,
      'repo1-cipher-type=aes-256-cbc',
      `repo1-cipher-pass=${PASSPHRASE}`,
      'repo1-bundle=y',
      ...(blocks ? ['repo1-block=y'] : []),
      'repo1-retention-full=99',
      'compress-type=zst',
      'compress-level=3',
      `process-max=${CORES}`,
      'start-fast=y',
      'log-level-console=warn',
      'log-level-file=off',
      ...['log', 'lock', 'spool'].map((name) => `${name}-path=${path.join(home, name)}`),
      '[bench]',
      `pg1-path=${server.dataFolder}`,
      `pg1-port=${server.port}`,
      `pg1-socket-path=${socketFolder}`,
      `pg1-user=${server.user}`,
    ];
    await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 });
    for (const folder of ['log', 'lock', 'spool', 'repository']) await mkdir(path.join(home, folder));
    if (user)
      for (const place of [home, passwordFile, config, repository, ...['log', 'lock', 'spool'].map((name) => path.join(home, name))])
        await chown(place, user.uid, user.gid);
    const command = (...args: string[]): Command => ({
      program: found.program,
      args: [`--config=${config}`, '--stanza=bench', ...args],
      env: { PGPASSFILE: passwordFile, HOME: home },
      cwd: home,
      as: user,
    });
    return {
      name: 'pgBackRest',
      version: found.version,
      settings: `zst 3, aes-256-cbc, bundles, ${blocks ? 'block incremental' : 'incremental by file (block incremental needs 2.46)'}, process-max ${CORES}`,
      repository,
      create: () => Promise.resolve(command('stanza-create')),
      backUp: (which) => command('backup', `--type=${which === 'first' ? 'full' : 'incr'}`),
      // It stops at the backup's own end: what the others restore holds no more log either.
      restore: (folder) => command('restore', `--pg1-path=${folder}`, '--type=immediate', '--target-action=promote', '--archive-mode=off'),
      archiveCommand: `${found.program} --config=${config} --stanza=bench archive-push %p`,
    };
  };
}

/** PostgreSQL's own: everything each time, without encryption. Compressed by the client, if it was built with zstd. */
export function findPgBasebackup(major: number): PhysicalContestantFactory | undefined {
  const folder = findPgClients(major)?.folder;
  const program = folder && path.join(folder, 'pg_basebackup');
  if (!program || !existsSync(program)) return undefined;
  return async (cluster, home) => {
    const { server, socketFolder } = cluster;
    const repository = path.join(home, 'repository');
    await mkdir(repository);
    let backups = 0;
    const place = (): string => path.join(repository, String(backups));
    return {
      name: 'pg_basebackup',
      version: String(major),
      settings: `tar, client-zstd 3 with ${CORES} threads, not encrypted, always full; restored by tar, without syncs`,
      repository,
      create: () => Promise.resolve(undefined),
      backUp: () => {
        backups++;
        const where = ['-h', socketFolder, '-p', String(server.port), '-U', server.user];
        const how = ['-Ft', `--compress=client-zstd:level=3,workers=${CORES}`, '-X', 'fetch', '--checkpoint=fast'];
        return { program, args: [...where, ...how, '-D', place()], env: { PGPASSWORD: server.password } };
      },
      restore: (target) => ({
        program: 'tar',
        args: ['--use-compress-program=zstd', '-xf', path.join(place(), 'base.tar.zst'), '-C', target],
      }),
    };
  };
}
