import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  restorePlansCreate,
  restoresRun,
  safetyCopiesEnd,
  safetyCopiesList,
  type CreateRestorePlan,
  type EndSafetyCopy,
  type KeptSafetyCopy,
  type Run,
} from '@rahat/api-client';
import type { RestoreEvidence } from '@rahat/contracts';
import { data } from '@rahat/demo';
import { processesOf } from './cluster.js';
import { kill9 } from './processes.js';
import { backUp, protect, untilEnded, type Protection } from './protection.js';
import { CLUSTER, shapes, STANDALONE } from './shapes.js';
import { until } from './until.js';
import { openWorld, readLogs, type World } from './world.js';
import { withMetadata } from './yesterday.js';

const SHOP_SQL = [
  'CREATE TABLE customer (id int PRIMARY KEY, name text UNIQUE, boss int REFERENCES customer)',
  'CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, net numeric)',
  'CREATE TABLE line (orders int REFERENCES orders ON DELETE CASCADE, number int, what text, PRIMARY KEY (orders, number))',
  `INSERT INTO customer SELECT n, 'planted-' || n, nullif(n - 1, 0) FROM generate_series(1, 20) n`,
  'INSERT INTO orders SELECT n, 1 + n % 20, n / 3.0 FROM generate_series(1, 400) n',
  `INSERT INTO line SELECT n, k, 'what ' || k FROM generate_series(1, 400) n, generate_series(1, 3) k`,
];
/** The mistake, and what went on beside it. */
const MISTAKE_SQL = [
  'DELETE FROM orders WHERE customer = 8',
  'UPDATE orders SET net = 0 WHERE customer = 9',
  `INSERT INTO customer VALUES (21, 'planted-21', 1)`,
  'INSERT INTO orders VALUES (401, 8, 1), (402, 21, 1)',
];
const OF_EIGHT = [
  { schema: 'public', table: 'orders', condition: "customer = 8 AND 'planted-condition' <> ''" },
  { schema: 'public', table: 'line', condition: 'orders % 20 = 7' },
];

/** The tests follow upon each other. */
describe.each(shapes(STANDALONE, CLUSTER))('a part of a backup in a live database ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;
  let backup: string;
  let original: Record<string, string>;
  beforeAll(async () => {
    world = await openWorld(SHOP_SQL, shape);
    protection = await protect(world);
    backup = (await backUp(world, protection)).backup!;
    original = await state();
    for (const statement of MISTAKE_SQL) await shop(statement);
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const shop = (sql: string): Promise<Record<string, unknown>[]> => world.source.query(sql, [], 'shop');
  /** A hash of all rows of each table, whichever schema it is in. */
  async function state(): Promise<Record<string, string>> {
    const tables = await shop(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)' ORDER BY 1`,
    );
    const sums = tables.map(async ({ name }) => {
      const [row] = await shop(
        `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS sum FROM ${name as string} t`,
      );
      return [name, row!['sum']] as [string, string];
    });
    return Object.fromEntries(await Promise.all(sums));
  }
  const plan = (merge: CreateRestorePlan['merge'], change: Partial<CreateRestorePlan> = {}) =>
    data(
      restorePlansCreate({
        client: world.platform.client,
        body: { backup, target: { kind: 'database', name: 'shop' }, merge, ...change },
      }),
    );
  async function restore(merge: CreateRestorePlan['merge'], change: Partial<CreateRestorePlan> = {}): Promise<Run> {
    const { id, hash } = await plan(merge, change);
    const run = await data(restoresRun({ client: world.platform.client, body: { plan: id, hash, confirm: 'shop' } }));
    return untilEnded(world, run.id);
  }
  const end = (run: Run, body: EndSafetyCopy) => safetyCopiesEnd({ client: world.platform.client, path: { id: run.id }, body });
  const ended = async (run: Run, body: EndSafetyCopy) => untilEnded(world, (await data(end(run, body))).id);
  const kept = async (): Promise<KeptSafetyCopy[]> => (await data(safetyCopiesList({ client: world.platform.client }))).data;
  const evidenceOf = (run: Run): RestoreEvidence => run.evidence as RestoreEvidence;

  it('is shown before anything changes, brought back by condition, proven, and undone to exactly what was there', async () => {
    const before = await state();
    const outline = await plan({ conflict: 'replace', rows: OF_EIGHT });
    expect(outline.findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    expect(outline.overwrites.toSorted()).toEqual(['shop: public.line', 'shop: public.orders']);
    expect(await state()).toEqual(before);

    const restored = await restore({ conflict: 'replace', rows: OF_EIGHT });
    expect(restored).toMatchObject({ state: 'succeeded', reasons: [] });
    expect(evidenceOf(restored).merged).toEqual(
      expect.arrayContaining([
        { schema: 'public', table: 'orders', created: false, inserted: 20, updated: 0, removed: 1 },
        { schema: 'public', table: 'line', created: false, inserted: 60, updated: 0, removed: 0 },
      ]),
    );
    expect(
      evidenceOf(restored)
        .tables.map(({ table, actualRows, matches }) => [table, actualRows, matches])
        .toSorted(),
    ).toEqual([
      ['line', 60, true],
      ['orders', 20, true],
    ]);
    expect(await shop('SELECT count(*)::int AS n, sum(net)::text AS net FROM orders WHERE customer = 8')).toEqual(
      await shop('SELECT count(*)::int AS n, sum(n / 3.0)::text AS net FROM generate_series(1, 400) n WHERE n % 20 = 7'),
    );
    expect(await shop('SELECT count(*)::int AS n, sum(net)::text AS net FROM orders WHERE customer IN (9, 21)')).toEqual([
      { n: 21, net: '1' },
    ]);
    expect(await kept()).toMatchObject([{ run: restored.id, backup, database: 'shop', schema: evidenceOf(restored).safetyCopy!.schema }]);

    expect(await ended(restored, { action: 'undo' })).toMatchObject({ state: 'succeeded', evidence: { ended: { of: restored.id } } });
    expect(await state()).toEqual(before);
    expect(await kept()).toEqual([]);
  });

  it('is not undone over later writes unless that is forced', async () => {
    const before = await state();
    const restored = await restore({ conflict: 'replace', rows: OF_EIGHT });
    await shop('UPDATE orders SET net = 42 WHERE id = 7');
    const after = await state();
    const { error } = await end(restored, { action: 'undo' });
    expect(error).toMatchObject({ code: 'undo_refused', status: 409, hint: expect.stringContaining('SELECT') });
    expect([await state(), (await kept()).length]).toEqual([after, 1]);
    expect(await ended(restored, { action: 'undo', force: true })).toMatchObject({ state: 'succeeded' });
    expect(await state()).toEqual(before);
  });

  it('waits for no lock for long: it fails retryable, changes nothing, and leaves nothing to undo', async () => {
    const before = await state();
    const holder = await world.source.connect('shop');
    await holder.query('BEGIN; UPDATE orders SET net = net WHERE id = 401');
    const failed = await restore({ conflict: 'replace', rows: OF_EIGHT, lockWaitSeconds: 1 });
    await holder.query('ROLLBACK');
    await holder.end();
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'restore_locked', retryable: true } });
    expect([await state(), await kept()]).toEqual([before, []]);
  });

  it('brings whole tables with what they refer to, or only what is lacking', async () => {
    const missing = await restore({ conflict: 'missing', schemas: ['public'] });
    expect(missing.state).toBe('succeeded');
    expect(await shop('SELECT count(*)::int AS n, count(*) FILTER (WHERE net = 0)::int AS changed FROM orders')).toEqual([
      { n: 402, changed: 20 },
    ]);
    const whole = await restore({ conflict: 'replace', schemas: ['public'] });
    expect(whole.state).toBe('succeeded');
    expect(await state()).toMatchObject(original);
    expect((await kept()).map(({ run }) => run)).toEqual([whole.id, missing.id]);
    expect(await ended(whole, { action: 'undo' })).toMatchObject({ state: 'succeeded' });
    expect(await ended(missing, { action: 'undo' })).toMatchObject({ state: 'succeeded' });
  });

  it('is forgotten by the scheduler when its time is over', async () => {
    const restored = await restore({ conflict: 'replace', rows: OF_EIGHT, safetyCopyDays: 1 });
    const after = await shop('SELECT * FROM orders ORDER BY id');
    const [copy] = await kept();
    const { schema } = evidenceOf(restored).safetyCopy!;
    expect(copy).toMatchObject({ run: restored.id, schema });
    expect(Date.parse(copy!.expiresAt) - Date.parse(copy!.restoredAt)).toBe(86_400_000);
    // As if the day had passed.
    await withMetadata(world, (client) =>
      client.query(`UPDATE scheduler.safety_copies SET drop_at = now() WHERE run_id = $1`, [restored.id]),
    );
    await until('the end of the safety copy', async () => (await kept()).length === 0 || undefined, 60_000);
    expect(await shop(`SELECT nspname FROM pg_namespace WHERE nspname = '${schema}'`)).toEqual([]);
    expect(await shop('SELECT * FROM orders ORDER BY id')).toEqual(after);
    expect((await end(restored, { action: 'undo' })).error).toMatchObject({ code: 'safety_copy_not_found', status: 404 });
  });

  (shape.form === 'cluster' ? it : it.skip)(
    'changes nothing when its worker is killed in the middle, and says that nobody heard the end',
    async () => {
      const before = await state();
      const holder = await world.source.connect('shop');
      await holder.query('BEGIN; UPDATE orders SET net = net WHERE id = 401');
      const { id, hash } = await plan({ conflict: 'replace', rows: OF_EIGHT, lockWaitSeconds: 60 });
      const started = await data(restoresRun({ client: world.platform.client, body: { plan: id, hash, confirm: 'shop' } }));
      const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'`;
      await until('the restore at the lock', async () => (await shop(waiting))[0]);
      const workers = (await processesOf(world)).filter(({ name }) => name.startsWith('worker'));
      kill9(workers.flatMap(({ pid }) => pid ?? []));
      await holder.query('ROLLBACK');
      await holder.end();
      const lost = await untilEnded(world, started.id);
      expect(lost).toMatchObject({ state: 'failed', error: { code: 'worker_lost' } });
      expect(lost.reasons.at(-1)).toContain(`rahat-backup restore undo ${lost.id}`);
      expect(await state()).toEqual(before);
      expect(await kept()).toMatchObject([{ run: lost.id, rows: null }]);
      expect((await end(lost, { action: 'undo' })).error).toMatchObject({ code: 'safety_copy_not_found' });
      expect(await ended(lost, { action: 'drop' })).toMatchObject({
        state: 'succeeded',
        evidence: { findings: [{ code: 'safety_copy_gone' }] },
      });
      expect(await kept()).toEqual([]);
    },
    120_000,
  );

  it('leaves no row and no condition in the logs of the platform', async () => {
    expect(await readLogs(world)).not.toContain('planted-');
  });
});
