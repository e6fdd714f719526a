import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type FollowEvidence, lsnOf, Merge, RahatError, type RestoreEvidence, type RestoreSpec, type RunSecrets } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { executeRun, outlineRestore, openOfflineRepository, removeLeftovers, type ExecutionOptions } from './index.js';
import { connectionTo, createGrantedRepository, PASSPHRASE, RUN_CHILD, runHead, runOptions } from './testing/run-parts.js';

const stream = 'stream_0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee';
const snapshot = randomBytes(16).toString('hex');
let server: PostgresqlServer;
let folder: string;
let secrets: RunSecrets;
/** Just before somebody dropped a table. */
let moment: string;

const within = (sql: string, database = 'shop'): Promise<Record<string, unknown>[]> => server.query(sql, [], database);
/** Count and sum of all rows. */
const sumOf = async (table: string, database = 'shop') =>
  (await within(`SELECT count(*)::int AS rows, sum(hashtextextended(t::text, 0)::numeric)::text AS sum FROM ${table} t`, database))[0];
let orders: unknown;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-surgery-'));
  // As a worker's root: passable, or throwaway servers that don't run as root would lie elsewhere.
  await chmod(folder, 0o711);
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on', wal_level: 'replica' } });
  const granted = await createGrantedRepository(folder);
  const connection = connectionTo(server);
  await server.query('CREATE DATABASE shop');
  await within(`CREATE TABLE orders (id int PRIMARY KEY, what text); CREATE TABLE line (id int PRIMARY KEY, what text);
    CREATE UNLOGGED TABLE cache (id int PRIMARY KEY); INSERT INTO cache VALUES (1);
    INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(1, 2000) n; INSERT INTO line SELECT n, 'what ' || n FROM generate_series(1, 10) n`);

  const stopping = new AbortController();
  let end = '0/0';
  const follower = executeRun(
    { ...runHead(), type: 'follow', stream, slot: 'rhb_surgery', commitSeconds: 0.2, heartbeatSeconds: 0 },
    granted.secrets('write-only', connection),
    runOptions(folder, { signal: stopping.signal, onLogCommitted: ({ range }) => (end = range.end) }),
  ) as Promise<FollowEvidence>;
  follower.catch(() => undefined);
  await executeRun(
    { ...runHead(), type: 'backup', method: 'postgresql.physical', snapshot, deep: false },
    granted.secrets('write-only', connection),
    runOptions(folder),
  );
  await within(`INSERT INTO orders SELECT n, 'after the base' FROM generate_series(2001, 2100) n`);
  orders = await sumOf('orders');
  await delay(30);
  moment = new Date().toISOString();
  await delay(30);
  await within(`DROP TABLE orders; INSERT INTO line VALUES (11, 'later')`);
  const [row] = await server.query<{ position: string }>('SELECT pg_current_wal_insert_lsn()::text AS position');
  while (lsnOf(end) < lsnOf(row!.position))
    await Promise.race([delay(50), follower.then((early) => Promise.reject(new Error(JSON.stringify(early))))]);
  stopping.abort();
  await follower;
  secrets = { target: connection, repositories: granted.secrets('read').repositories };
}, 120_000);
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

let scratch: string;
beforeEach(async () => {
  scratch = join(folder, `scratch-${randomBytes(4).toString('hex')}`);
  await mkdir(scratch, { mode: 0o711 });
});
/** Neither a file of ours nor a process on one. */
afterEach(async () => {
  expect(await readdir(scratch)).toEqual([]);
  expect(await processesOn(scratch)).toEqual([]);
});

async function processesOn(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (argv.includes(path)) found.push(argv.replaceAll('\0', ' '));
  }
  return found;
}

function restoreSpec(change: Partial<RestoreSpec> = {}): RestoreSpec {
  return {
    ...runHead(),
    type: 'restore',
    snapshot,
    fromDatabase: 'shop',
    target: { kind: 'database', name: 'shop', replace: false },
    intoExisting: false,
    noOwner: false,
    noAcl: false,
    recovery: { stream, target: { kind: 'time', time: moment, inclusive: true } },
    ...change,
  };
}
const executed = async (spec: RestoreSpec, change: Partial<ExecutionOptions> = {}) =>
  (await executeRun(spec, secrets, runOptions(scratch, change))) as RestoreEvidence;
const merge = (change: object = {}) => Merge.parse({ conflict: 'replace', ...change });

describe('one database of a physical backup', () => {
  it('gives a dropped table back to the live database as it was at the moment, and leaves the others alone', async () => {
    const spec = restoreSpec({ tables: [{ schema: 'public', table: 'orders' }], merge: merge() });
    const { steps, overwrites, findings, sizeBytes } = await outlineRestore(spec, secrets, runOptions(scratch));
    expect(steps.join('\n')).toContain(`Recover the whole server to ${moment}`);
    expect({ overwrites, findings }).toEqual({ overwrites: ['shop: public.orders'], findings: [] });
    expect(sizeBytes).toBeGreaterThan(10_000_000);

    const evidence = await executed(spec);
    expect(evidence).toMatchObject({
      snapshot,
      target: 'shop',
      tables: [{ schema: 'public', table: 'orders', expectedRows: 2100, actualRows: 2100, matches: true }],
      merged: [{ table: 'orders', created: true, inserted: 2100 }],
      recovery: { target: spec.recovery!.target, timeline: 1 },
    });
    expect(Date.parse(evidence.recovery!.lastTransactionAt!)).toBeLessThanOrEqual(Date.parse(moment));
    expect(await sumOf('orders')).toEqual(orders);
    expect(await sumOf('line')).toMatchObject({ rows: 11 });
  });

  it('comes whole under another name, without platform and log as the backup itself has it, and tells which rows it lacks', async () => {
    const offline = await openOfflineRepository(join(folder, 'storage', 'main'), { type: 'passphrase', passphrase: PASSPHRASE });
    const order = { snapshot, fromDatabase: 'shop', connection: connectionTo(server), target: restoreSpec().target };
    // Refused before anything is recovered.
    await expect(offline.restore(order)).rejects.toMatchObject({ code: 'restore_target_exists' });
    const evidence = await offline.restore({ ...order, target: { kind: 'database', name: 'shop_of_the_base', replace: false } });
    expect(evidence).toMatchObject({ snapshot, target: 'shop_of_the_base', setAside: [] });
    expect(evidence.recovery).toBeUndefined();
    expect(evidence.findings.filter(({ code }) => code === 'unlogged_tables')).toMatchObject([
      { severity: 'warning', object: 'public.cache' },
    ]);
    expect(await sumOf('orders', 'shop_of_the_base')).toMatchObject({ rows: 2000 });
    expect(await sumOf('line', 'shop_of_the_base')).toMatchObject({ rows: 10 });
  });

  it('is told by name from those that there are', async () => {
    const failure = await executed(restoreSpec({ fromDatabase: 'shopp', target: { kind: 'database', name: 'new', replace: false } })).catch(
      RahatError.from,
    );
    expect(failure).toMatchObject({ code: 'database_not_found', hint: expect.stringContaining("'postgres', 'shop'") });
  });

  it('takes no live rows for too many where physical backups have none', async () => {
    const spec = restoreSpec({ merge: merge({ schemas: ['public'] }) });
    await expect(executed(spec)).rejects.toMatchObject({ code: 'restore_refused', message: expect.stringContaining('public.cache') });
    expect(await sumOf('cache')).toMatchObject({ rows: 1 });
  });

  it('is refused at once where the moment, the target or the backup is none', async () => {
    const target = { kind: 'database' as const, name: 'new', replace: false };
    const never = { stream, target: { kind: 'time' as const, time: '2020-01-01T00:00:00Z', inclusive: true } };
    const refused = async (change: Partial<RestoreSpec>) => (await executed(restoreSpec(change)).catch(RahatError.from)) as RahatError;
    expect(await refused({ target, recovery: never })).toMatchObject({ code: 'recovery_target_unreachable' });
    expect(await refused({ target, merge: merge({ schemas: ['public'] }) })).toMatchObject({ code: 'database_not_found' });
    expect(await refused({ target: { kind: 'folder', path: join(folder, 'whole') } })).toMatchObject({ code: 'invalid_input' });
  });

  it('leaves nothing of the way when it is cancelled while it reads', async () => {
    const stopping = new AbortController();
    const onProgress = ({ phase }: { phase: string }) => phase === 'connecting' && stopping.abort();
    const spec = restoreSpec({ target: { kind: 'database', name: 'never', replace: false } });
    await expect(executed(spec, { signal: stopping.signal, onProgress })).rejects.toMatchObject({ code: 'cancelled' });
    expect(stopping.signal.aborted).toBe(true);
    expect(await server.query(`SELECT datname FROM pg_database WHERE datname LIKE '%never%'`)).toEqual([]);
  });

  it('leaves no process when its own is killed, and no file to the janitor’s next look', async () => {
    const child: ChildProcess = fork(RUN_CHILD, [], { execArgv: [] });
    // As in a worker: the scratch folder of the attempt lies in the root that the janitor looks through.
    const attempt = join(scratch, 'attempt');
    await mkdir(attempt, { mode: 0o700 });
    child.send({ spec: restoreSpec({ target: { kind: 'database', name: 'never', replace: false } }), secrets, scratchFolder: attempt });
    let ended: unknown;
    child.once('message', (outcome) => (ended = outcome));
    const serverOn = async (name: string) =>
      access(join(attempt, name, 'data', 'postmaster.pid')).then(
        () => true,
        () => false,
      );
    for (let started = false; !started; await delay(100)) {
      if (ended) throw new Error(`It ended too early: ${JSON.stringify(ended)}`);
      for (const name of await readdir(attempt)) started ||= await serverOn(name);
    }
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    for (const deadline = Date.now() + 15_000; (await processesOn(attempt)).length > 0; await delay(50))
      expect(Date.now()).toBeLessThan(deadline);
    expect(await readdir(attempt)).not.toEqual([]);
    await removeLeftovers(scratch);
    expect(await readdir(attempt)).toEqual([expect.stringMatching(/^database-/)]);
    await rm(attempt, { recursive: true });
  }, 180_000);
});
