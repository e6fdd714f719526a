import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  backupsGet,
  backupsList,
  databasesDiscover,
  plansCreate,
  plansRun,
  repositoriesCreate,
  restorePlansCreate,
  restoresRun,
  runsGet,
  runsList,
  serversCreate,
  statusGet,
  storagesCreate,
  type Backup,
  type CreatePlan,
  type DatabaseStatus,
  type Run,
} from '@rahat/api-client';
import { data } from '@rahat/demo';
import { rahatBackup } from './cli.js';
import type { World } from './world.js';

/** A plan of a world's source server, and where its backups lie. */
export interface Protection {
  server: string;
  plan: string;
  repository: string;
  /** The folder with rahat.json. */
  folder: string;
  passphrase: string;
}

const ENDED: ReadonlySet<Run['state']> = new Set(['succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped']);
const LIMIT_MS = 150_000;
const CLEARED_AWAY_MS = 60_000;

/** A server, a storage, a repository and a plan without a schedule: every backup is asked for. */
export async function protect(
  world: World,
  options: Partial<Pick<CreatePlan, 'databases' | 'retention' | 'verify' | 'maxAttempts' | 'method'>> & { storagePath?: string } = {},
): Promise<Protection> {
  const { client } = world.platform;
  const { password, ...address } = world.connection;
  const { storagePath = path.join(world.folder, 'storage'), ...plan } = options;
  const name = `line ${path.basename(storagePath)}`;
  const server = await data(serversCreate({ client, body: { name, address, password } }));
  await data(databasesDiscover({ client, path: { server: server.id } }));
  const storage = await data(storagesCreate({ client, body: { name, settings: { driver: 'local', path: storagePath } } }));
  const repository = await data(repositoriesCreate({ client, body: { name, storage: storage.id } }));
  const created = await data(
    plansCreate({ client, body: { name, server: server.id, databases: ['shop'], repository: repository.id, verify: [], ...plan } }),
  );
  return {
    server: server.id,
    plan: created.id,
    repository: repository.id,
    folder: repository.location.replace(/^local:/, ''),
    passphrase: repository.passphrase!,
  };
}

export async function startBackup(world: World, { plan }: Protection): Promise<string> {
  const { runs } = await data(plansRun({ client: world.platform.client, path: { id: plan } }));
  return runs[0]!.id;
}

export function readRun(world: World, id: string): Promise<Run> {
  return data(runsGet({ client: world.platform.client, path: { id } }));
}

export async function untilRun(world: World, id: string, reached: (run: Run) => boolean): Promise<Run> {
  let run = await readRun(world, id);
  for (const deadline = Date.now() + LIMIT_MS; !reached(run); run = await readRun(world, id)) {
    if (Date.now() > deadline) throw new Error(`The run did not come that far: ${JSON.stringify(run)}`);
    await sleep(100);
  }
  return run;
}

export function untilEnded(world: World, id: string): Promise<Run> {
  return untilRun(world, id, ({ state }) => ENDED.has(state));
}

/** Takes a backup now; `backup` is set when it was recorded. */
export async function backUp(world: World, protection: Protection): Promise<Run> {
  return untilEnded(world, await startBackup(world, protection));
}

export function readBackup(world: World, id: string | null): Promise<Backup> {
  return data(backupsGet({ client: world.platform.client, path: { id: id! } }));
}

export async function backupsOf(world: World, { plan }: Protection): Promise<Backup[]> {
  const { data: backups } = await data(backupsList({ client: world.platform.client, query: { plan, limit: 100 } }));
  return backups;
}

/** The verification of a level that follows upon a backup by itself. */
export async function untilVerified(world: World, backup: string | null, level: Run['level']): Promise<Run> {
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; await sleep(150)) {
    const { data: runs } = await data(
      runsList({ client: world.platform.client, query: { backup: backup!, type: 'verification', limit: 50 } }),
    );
    const run = runs.find((candidate) => candidate.level === level);
    if (run) return untilEnded(world, run.id);
  }
  throw new Error(`The ${level} verification of ${backup} did not start.`);
}

export async function restoreAs(world: World, backup: string | null, name: string): Promise<Run> {
  const { client } = world.platform;
  const plan = await data(restorePlansCreate({ client, body: { backup: backup!, target: { kind: 'database', name } } }));
  return untilEnded(world, (await data(restoresRun({ client, body: { plan: plan.id, hash: plan.hash } }))).id);
}

export async function statusOf(world: World, { plan }: Protection): Promise<DatabaseStatus> {
  const { databases } = await data(statusGet({ client: world.platform.client }));
  return databases.find((database) => database.plan === plan)!;
}

export interface CheckReport {
  healthy: boolean;
  snapshots: number;
  orphanPacks: number;
  problems: { severity: string; file: string; message: string }[];
}

/** As an operator does without the platform: the folder and its passphrase. */
export function offline<T>(world: World, { folder, passphrase }: Protection, verb: string, ...args: string[]) {
  return rahatBackup<T>(['repository', verb, '--path', folder, ...args], { RAHAT_PASSPHRASE: passphrase, HOME: world.folder });
}

/** Names of the repository's files below one of its folders. */
export async function filesOf({ folder }: Protection, part: 'packs' | 'snapshots' | 'trash' | 'index' | 'keys'): Promise<string[]> {
  const entries = await readdir(path.join(folder, part), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map((entry) => path.join(entry.parentPath, entry.name));
}

/** Until a backup has stored a pack that was not there before. */
export async function untilPacksGrow(protection: Protection, before: number): Promise<void> {
  for (const deadline = Date.now() + LIMIT_MS; (await filesOf(protection, 'packs')).length <= before; await sleep(10)) {
    if (Date.now() > deadline) throw new Error('The backup stored nothing.');
  }
}

/**
 * Ids of the snapshots that the repository holds, in the end: what a lost attempt committed unheard, and isn't among `allowed`, is
 * cleared away by a message, which a queue may have lost at first.
 */
export async function snapshotsAtRest(protection: Protection, allowed: readonly string[]): Promise<string[]> {
  for (const deadline = Date.now() + CLEARED_AWAY_MS; ; await sleep(200)) {
    const stored = (await filesOf(protection, 'snapshots')).map((file) => path.basename(file)).sort();
    if (stored.every((id) => allowed.includes(id)) || Date.now() > deadline) return stored;
  }
}
