import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  attemptLabel,
  Merge,
  safetyCopySchema,
  type BackupSpec,
  type RestoreEvidence,
  type RestoreSpec,
  type RunSecrets,
  type SafetyCopySpec,
} from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { executeRun, outlineRestore, outlineSafetyCopy } from './index.js';
import { connectionTo, createGrantedRepository, runHead, runOptions } from './testing/run-parts.js';

let server: PostgresqlServer;
let folder: string;
beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
});
afterAll(() => server?.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-partial-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const within = (sql: string): Promise<Record<string, unknown>[]> => server.query(sql, [], 'shop');
const stateOf = async (): Promise<unknown> =>
  (
    await within(
      `SELECT (SELECT array_agg(o::text ORDER BY id) FROM orders o) AS orders, (SELECT array_agg(l::text ORDER BY id, number) FROM line l) AS line`,
    )
  )[0];
const schemas = async (): Promise<unknown[]> =>
  (await within(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rahat%'`)).map(({ nspname }) => nspname);
const MERGE = {
  conflict: 'replace',
  rows: [
    { schema: 'public', table: 'orders', condition: 'customer = 7' },
    { schema: 'public', table: 'line', condition: 'id % 10 = 7' },
  ],
};

describe('execution of a restore into a live database', () => {
  let secrets: RunSecrets;
  let snapshot: string;
  beforeEach(async () => {
    await server.query('DROP DATABASE IF EXISTS shop WITH (FORCE)');
    await server.query('CREATE DATABASE shop');
    await within(`CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, net numeric);
      CREATE TABLE line (id int REFERENCES orders ON DELETE CASCADE, number int, what text, PRIMARY KEY (id, number));
      INSERT INTO orders SELECT n, n % 10, n / 3.0 FROM generate_series(1, 1000) n; INSERT INTO line SELECT n, k, 'what ' || k FROM generate_series(1, 1000) n, generate_series(1, 2) k`);
    const granted = await createGrantedRepository(folder);
    snapshot = randomBytes(16).toString('hex');
    const backup: BackupSpec = {
      ...runHead(),
      type: 'backup',
      method: 'postgresql.logical',
      database: { name: 'shop' },
      snapshot,
      deep: false,
    };
    await executeRun(backup, granted.secrets('write-only', connectionTo(server)), runOptions(folder));
    const { repositories } = granted.secrets('read');
    secrets = { target: connectionTo(server), repositories };
    await within(
      `DELETE FROM orders WHERE id BETWEEN 1 AND 500; UPDATE orders SET net = 0 WHERE id > 900; INSERT INTO orders VALUES (2007, 7, 1), (2008, 8, 1)`,
    );
  });

  const restoreSpec = (merge: object = MERGE): RestoreSpec => ({
    ...runHead(),
    type: 'restore',
    snapshot,
    target: { kind: 'database', name: 'shop', replace: false },
    merge: Merge.parse(merge),
    intoExisting: false,
    noOwner: false,
    noAcl: false,
  });
  const safetyCopySpec = (of: RestoreSpec, change: Partial<SafetyCopySpec['order']> = {}): SafetyCopySpec => {
    const { repository: _none, ...head } = runHead();
    const schema = safetyCopySchema(attemptLabel(of));
    return {
      ...head,
      type: 'safety-copy',
      snapshot,
      database: 'shop',
      order: { of: of.run, schema, action: 'undo', force: false, lockWaitSeconds: 2, ...change },
    };
  };
  const executed = async (spec: RestoreSpec | SafetyCopySpec): Promise<RestoreEvidence> => {
    // An undo needs the server only.
    const given = spec.type === 'restore' ? secrets : { target: secrets.target, repositories: [] };
    const evidence = await executeRun(spec, given, runOptions(folder));
    if (evidence.type !== 'restore') throw new Error('expected the evidence of a restore');
    return evidence;
  };
  const question = () => ({ signal: new AbortController().signal, toolFolders: [], scratchFolder: folder });

  it('brings rows of a condition back out of the repository, tells what changed, and puts back exactly what was there', async () => {
    const before = await stateOf();
    const spec = restoreSpec();
    const outline = await outlineRestore(spec, secrets, question());
    expect(outline.findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    expect(outline.overwrites.toSorted()).toEqual(['shop: public.line', 'shop: public.orders']);
    expect(await stateOf()).toEqual(before);

    const evidence = await executed(spec);
    expect(evidence.merged).toEqual(
      expect.arrayContaining([
        { schema: 'public', table: 'orders', created: false, inserted: 50, updated: 10, removed: 1 },
        { schema: 'public', table: 'line', created: false, inserted: 100, updated: 0, removed: 0 },
      ]),
    );
    expect(
      evidence.tables.map(({ table, expectedRows, actualRows, matches }) => [table, expectedRows, actualRows, matches]).sort(),
    ).toEqual([
      ['line', 200, 200, true],
      ['orders', 100, 100, true],
    ]);
    expect(await within('SELECT count(*)::int AS n, sum(net)::text AS net FROM orders WHERE customer = 7')).toEqual(
      await within('SELECT count(*)::int AS n, sum(n / 3.0)::text AS net FROM generate_series(1, 1000) n WHERE n % 10 = 7'),
    );
    expect(await within('SELECT count(*)::int AS n FROM orders WHERE customer <> 7')).toEqual([{ n: 451 }]);
    // The scheduler knows the name without hearing of it.
    expect([evidence.safetyCopy?.schema]).toEqual([safetyCopySchema(attemptLabel(spec))]);
    expect(await schemas()).toEqual([evidence.safetyCopy?.schema]);

    const undo = safetyCopySpec(spec);
    expect((await outlineSafetyCopy(undo, { target: secrets.target, repositories: [] }, question())).findings).toEqual([]);
    const undone = await executed(undo);
    expect(undone).toMatchObject({ snapshot, target: 'shop', ended: { of: spec.run, schema: undo.order.schema, action: 'undo' } });
    expect(await stateOf()).toEqual(before);
    expect(await schemas()).toEqual([]);
    expect(await readdir(folder)).toEqual(['storage']);
  });

  it('refuses the undo after a later write, which the question tells before, and takes it back when forced', async () => {
    const before = await stateOf();
    const spec = restoreSpec();
    await executed(spec);
    await within('UPDATE orders SET net = 42 WHERE id = 7');
    const after = await stateOf();
    const { findings } = await outlineSafetyCopy(safetyCopySpec(spec), secrets, question());
    expect(findings).toMatchObject([{ code: 'later_writes', severity: 'blocker', object: 'public.orders' }]);
    await expect(executed(safetyCopySpec(spec))).rejects.toMatchObject({ code: 'undo_refused' });
    expect(await stateOf()).toEqual(after);
    await executed(safetyCopySpec(spec, { force: true }));
    expect(await stateOf()).toEqual(before);
  });

  it('forgets what was kept when told to, and is content when that is gone already', async () => {
    const spec = restoreSpec();
    await executed(spec);
    const after = await stateOf();
    const drop = safetyCopySpec(spec, { action: 'drop' });
    expect((await executed(drop)).findings).toEqual([]);
    expect([await stateOf(), await schemas()]).toEqual([after, []]);
    expect((await executed(drop)).findings).toMatchObject([{ code: 'safety_copy_gone', severity: 'info' }]);
    await expect(executed(safetyCopySpec(spec))).rejects.toMatchObject({ code: 'safety_copy_not_found' });
  });

  it('runs nothing that is no condition', async () => {
    const before = await stateOf();
    for (const condition of ['true); DROP TABLE line; --', "pg_read_file('/etc/passwd') IS NOT NULL", '(SELECT true)']) {
      const spec = restoreSpec({ ...MERGE, rows: [{ schema: 'public', table: 'orders', condition }] });
      await expect(outlineRestore(spec, secrets, question())).rejects.toMatchObject({ code: 'invalid_input' });
      await expect(executed(spec)).rejects.toMatchObject({ code: 'invalid_input' });
    }
    expect(await stateOf()).toEqual(before);
  });
});
