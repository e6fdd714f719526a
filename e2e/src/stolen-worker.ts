import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { RunSecrets, type RunSpec } from '@rahat/contracts';
import { openPoolKey } from '@rahat/secrets';
import pg from 'pg';
import type { World } from './world.js';

/** What somebody finds who took a worker over while it runs `run`: its pool's key, and what the queue holds for it. */
export async function stealRunSecrets(world: World, run: string): Promise<{ spec: RunSpec; secrets: RunSecrets }> {
  const spec = await queuedSpec(world, run);
  const poolKey = await openPoolKey(path.join(world.folder, 'data/keys/pool-default.key'));
  const opened = await poolKey.open(spec.sealedSecrets, `${spec.run}/${spec.attempt}`);
  return { spec, secrets: RunSecrets.parse(JSON.parse(opened.toString())) };
}

const IN_THE_QUEUE = `
  SELECT jsonb_path_query_first(data, '$.**.spec') AS spec FROM bullmq.job WHERE name = 'run.execute.v1' AND data::text LIKE '%' || $1 || '%'`;
/** Where Redis has the queues: the same, kept until it was handled. */
const SENT = `
  SELECT payload -> 'spec' AS spec FROM scheduler.outbox WHERE name = 'run.execute.v1' AND payload::text LIKE '%' || $1 || '%'`;

async function queuedSpec(world: World, run: string): Promise<RunSpec> {
  const client = new pg.Client({ connectionString: await metadataDatabase(world) });
  await client.connect();
  try {
    const { rows: queues } = await client.query<{ exist: boolean }>(`SELECT to_regclass('bullmq.job') IS NOT NULL AS exist`);
    const { rows } = await client.query<{ spec: RunSpec }>(queues[0]!.exist ? IN_THE_QUEUE : SENT, [run]);
    return rows[0]!.spec;
  } finally {
    await client.end();
  }
}

async function metadataDatabase(world: World): Promise<string> {
  const data = path.join(world.folder, 'data');
  const password = (await readFile(path.join(data, 'keys/postgresql-password'), 'utf8')).trim();
  const port = (await readFile(path.join(data, 'postgresql/18/postmaster.pid'), 'utf8')).split('\n')[3];
  return `postgresql://rahat:${encodeURIComponent(password)}@127.0.0.1:${port}/rahat`;
}
