import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startPlatform, type Platform, type PlatformOptions } from '@rahat/demo';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';

/** A platform and a source server of its own for one test file. */
export interface World extends AsyncDisposable {
  folder: string;
  source: PostgresqlServer;
  connection: PostgresqlConnection;
  platform: Platform;
  /** Starts the platform again on the same data folder, e.g. after a kill. */
  startAgain(): Promise<Platform>;
}

export async function openWorld(statements: string[] = []): Promise<World> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rahat-e2e-'));
  await chmod(folder, 0o755);
  const source = await startPostgresql({ major: 15 });
  await source.query('CREATE DATABASE shop');
  for (const statement of statements) await source.query(statement, [], 'shop');
  const options: PlatformOptions = { dataFolder: path.join(folder, 'data'), email: 'owner@example.org', password: randomBytes(18).toString('base64') };
  const world = {
    folder,
    source,
    connection: { host: source.host, port: source.port, user: source.user, password: source.password, maintenanceDatabase: 'postgres', tls: 'disable' as const },
    platform: await startPlatform(options),
    async startAgain() {
      world.platform = await startPlatform(options);
      return world.platform;
    },
    async [Symbol.asyncDispose]() {
      await world.platform.stop();
      await source[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

/** Process ids below `parent` whose command line matches. */
export async function descendants(parent: number, pattern: RegExp): Promise<number[]> {
  const processes = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(describeProcess));
  const below = new Set([parent]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const process of processes) {
      if (process && below.has(process.parent) && !below.has(process.pid)) {
        below.add(process.pid);
        grown = true;
      }
    }
  }
  return processes.filter((process) => process && process.pid !== parent && below.has(process.pid) && pattern.test(process.command)).map((process) => process!.pid);
}

async function describeProcess(name: string): Promise<{ pid: number; parent: number; command: string } | undefined> {
  try {
    const [status, command] = await Promise.all([readFile(`/proc/${name}/status`, 'utf8'), readFile(`/proc/${name}/cmdline`, 'utf8')]);
    return { pid: Number(name), parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]), command: command.replaceAll('\0', ' ') };
  } catch {
    // It ended while we looked.
    return undefined;
  }
}
