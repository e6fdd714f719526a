import { chmod, chown, copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import type { World } from './world.js';

const CLUSTER = 'data/postgresql/18';

/** A copy of the metadata database as it is now, while the platform goes on; PostgreSQL's own protocol for copies of its files. */
export async function copyMetadata(world: World): Promise<string> {
  const copy = path.join(world.folder, 'yesterday');
  await withMetadata(world, async (client) => {
    await client.query(`SELECT pg_backup_start('yesterday', true)`);
    await copyLive(path.join(world.folder, CLUSTER), copy);
    await rm(path.join(copy, 'postmaster.pid'));
    const { rows } = await client.query<{ labelfile: string }>(`SELECT labelfile FROM pg_backup_stop(false)`);
    await writeFile(path.join(copy, 'backup_label'), rows[0]!.labelfile);
    await copyLive(path.join(world.folder, CLUSTER, 'pg_wal'), path.join(copy, 'pg_wal'));
  });
  return copy;
}

/** Files may go meanwhile, temporary ones or those of a dropped table: recovery doesn't need them (PostgreSQL manual, "Making a Base Backup"). */
async function copyLive(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) await copyLive(source, target);
    else await copyFile(source, target).catch(unlessGone);
  }
}

function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** While the platform is stopped. */
export async function restoreMetadata(world: World, copy: string): Promise<void> {
  const cluster = path.join(world.folder, CLUSTER);
  const { uid, gid, mode } = await stat(cluster);
  await rm(cluster, { recursive: true });
  await cp(copy, cluster, { recursive: true });
  await chmod(cluster, mode);
  // Of the account that PostgreSQL runs as where the platform is root's; a copy is its maker's.
  for (const name of ['', ...(await readdir(cluster, { recursive: true }))]) await chown(path.join(cluster, name), uid, gid);
}

/** As the embedded PostgreSQL's administrator. */
export async function withMetadata<T>(world: World, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const [, , , port] = (await readFile(path.join(world.folder, CLUSTER, 'postmaster.pid'), 'utf8')).split('\n');
  const password = (await readFile(path.join(world.folder, 'data/keys/postgresql-password'), 'utf8')).trim();
  const place = { host: '127.0.0.1', port: Number(port), user: 'rahat', password };
  const databases = await connected({ ...place, database: 'postgres' }, (client) =>
    client.query<{ datname: string }>(`SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname = 'postgres'`),
  );
  return connected({ ...place, database: databases.rows[0]!.datname }, work);
}

async function connected<T>(place: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(place);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
