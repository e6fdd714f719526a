import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Finding, KeptSafetyCopy, MergedTable, RestorePlan, Run } from '@rahat/api-client';
import { cliEnvironment, rahatBackup } from './cli.js';
import { backUp, protect, type Protection } from './protection.js';
import { openWorld, type World } from './world.js';

const SHOP = [
  'CREATE TABLE customer (id int PRIMARY KEY, name text)',
  'CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer, note text)',
  `INSERT INTO customer SELECT n, 'customer ' || n FROM generate_series(1, 20) n`,
  `INSERT INTO orders SELECT n, 1 + n % 20, 'order ' || n FROM generate_series(1, 200) n`,
];
const ROWS = ['--into', 'shop', '--conflict', 'replace', '--rows', 'public.orders: customer_id = 7'];
/** Eight orders of the customer go, one changes, and one comes; an order of another customer goes, too. */
const LOSS = `
  DELETE FROM orders WHERE customer_id = 7 AND id > 40 OR id = 1;
  UPDATE orders SET note = 'changed' WHERE id = 6;
  INSERT INTO orders VALUES (1000, 7, 'new')`;
const BROUGHT_BACK = [{ schema: 'public', table: 'orders', created: false, inserted: 8, updated: 1, removed: 1 }];

describe('a part of a backup, on the command line', () => {
  let world: World;
  let protection: Protection;
  let backup: string;
  let ofPlatform: NodeJS.ProcessEnv;
  let ofNobody: NodeJS.ProcessEnv;

  beforeAll(async () => {
    world = await openWorld(SHOP);
    protection = await protect(world);
    backup = (await backUp(world, protection)).backup!;
    ofPlatform = { ...(await cliEnvironment(world.platform)), HOME: world.folder };
    ofNobody = { RAHAT_PASSPHRASE: protection.passphrase, RAHAT_DB_PASSWORD: world.connection.password, HOME: world.folder };
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const platform = <T>(...args: string[]) => rahatBackup<T>(['restore', ...args], ofPlatform);
  const urlOf = (database: string) => `postgresql://${world.connection.user}@${world.connection.host}:${world.connection.port}/${database}`;
  const alone = <T>(...args: string[]) =>
    rahatBackup<T>(['repository', 'restore', '--path', protection.folder, '--to', urlOf('postgres'), ...args], ofNobody);
  const inDatabase = <T>(...args: string[]) => rahatBackup<T>(['restore', ...args, '--database', urlOf('shop')], ofNobody);
  const sql = (statement: string) => world.source.query(statement, [], 'shop');
  const orders = async () => (await sql('SELECT * FROM orders ORDER BY id')) as { id: number; customer_id: number; note: string }[];
  const copies = async () => (await platform<KeptSafetyCopy[]>('safety-copies')).data;

  it('comes into the live database by a plan that says what it will do, and by its name typed', async () => {
    const original = await orders();
    await sql(LOSS);
    const plan = await platform<RestorePlan>('plan', backup, ...ROWS);
    expect(plan.error).toBeUndefined();
    expect(plan.data.overwrites).toEqual(['shop: public.orders']);
    expect(plan.data.steps.join('\n')).toContain('those where customer_id = 7');
    expect((await platform('run', plan.data.id, '--follow')).exitCode).toBe(2);
    const { data: run, error } = await platform<Run>('run', plan.data.id, '--confirm', 'shop', '--follow');
    expect(error).toBeUndefined();
    expect(run.evidence).toMatchObject({ merged: BROUGHT_BACK });
    expect(await orders()).toEqual(original.filter(({ id }) => id !== 1));
    expect(await copies()).toMatchObject([{ run: run.id, database: 'shop', rows: 11 }]);
  }, 120_000);

  it('is undone as long as nobody wrote to its rows, or by force', async () => {
    const [copy] = await copies();
    await sql(`UPDATE orders SET note = 'later' WHERE id = 46`);
    const looked = await platform<{ overwrites: string[]; findings: Finding[] }>('undo', 'latest', '--dry-run');
    expect(looked.data.overwrites.join()).toContain('public.orders');
    expect([looked.exitCode, looked.data.findings.map(({ code }) => code)]).toEqual([1, ['later_writes']]);
    expect((await platform('undo', 'latest', '--lock-wait', '601')).error?.message).toContain('1 to 600 seconds');
    const refused = await platform('undo', 'latest', '--follow');
    expect([refused.exitCode, refused.error?.message]).toEqual([
      expect.any(Number),
      expect.stringContaining('Written to since the restore'),
    ]);
    expect(refused.exitCode).not.toBe(0);
    const { error } = await platform<Run>('undo', copy!.run, '--force', '--lock-wait', '5', '--follow');
    expect(error).toBeUndefined();
    const lost = await orders();
    expect(lost.filter(({ customer_id }) => customer_id === 7).map(({ id, note }) => [id, note])).toEqual([
      [6, 'changed'],
      [26, 'order 26'],
      [1000, 'new'],
    ]);
    expect(await copies()).toEqual([]);
    expect((await platform('undo', copy!.run)).error?.code).toBe('safety_copy_not_found');
    expect((await platform('undo', 'latest')).error?.code).toBe('not_found');
  }, 120_000);

  it('stays when its safety copy is dropped', async () => {
    const plan = await platform<RestorePlan>('plan', backup, ...ROWS);
    const { data: run } = await platform<Run>('run', plan.data.id, '--confirm', 'shop', '--follow');
    const restored = await orders();
    const { data: drop, error } = await platform<Run>('drop-safety-copy', run.id, '--follow');
    expect([error, drop.state]).toEqual([undefined, 'succeeded']);
    expect(await orders()).toEqual(restored);
    expect(await sql(`SELECT FROM pg_namespace WHERE nspname LIKE 'rahat_undo%'`)).toEqual([]);
  }, 120_000);

  it('comes and goes without the platform', async () => {
    await sql('DELETE FROM orders; ' + LOSS);
    const before = await orders();
    const outline = await alone<{ steps: string[]; overwrites: string[] }>(...ROWS, '--dry-run');
    expect(outline.data.overwrites).toEqual(['shop: public.orders']);
    expect(await orders()).toEqual(before);
    const restored = await alone<{ merged: MergedTable[]; safetyCopy: { schema: string } }>(...ROWS);
    expect(restored.error).toBeUndefined();
    expect(restored.data.merged).toMatchObject([{ inserted: 10, removed: 1 }]);
    const { schema } = restored.data.safetyCopy;

    const dry = await inDatabase<{ steps: string[]; findings: Finding[] }>('undo', schema, '--dry-run');
    expect([dry.exitCode, dry.data.findings]).toEqual([0, []]);
    await sql(`UPDATE orders SET note = 'later' WHERE id = 46`);
    const refused = await inDatabase('undo', schema);
    expect([refused.exitCode, refused.error?.code]).toEqual([5, 'undo_refused']);
    const again = await inDatabase<{ findings: Finding[] }>('undo', schema, '--dry-run');
    expect([again.exitCode, again.data.findings.map(({ code }) => code)]).toEqual([1, ['later_writes']]);
    expect((await inDatabase('undo', schema, '--force')).error).toBeUndefined();
    expect(await orders()).toEqual(before);
    expect((await inDatabase('undo', schema)).error?.code).toBe('safety_copy_not_found');
    expect((await inDatabase('undo', 'public')).error?.message).toContain('no name of a safety copy');
  }, 120_000);

  it('comes as whole tables, with those of their names aside, or under another name', async () => {
    const before = await orders();
    const beside = await alone<{ merged: MergedTable[] }>(
      ...['--into', 'shop', '--table', 'public.orders', '--conflict', 'missing', '--rename', 'public.orders=monday.orders'],
    );
    expect(beside.data.merged).toMatchObject([{ schema: 'monday', table: 'orders', created: true, inserted: 200 }]);
    expect(await orders()).toEqual(before);
    const aside = await alone<{ setAside: string[] }>('--into', 'shop', '--table', 'public.orders');
    expect(aside.error).toBeUndefined();
    expect(aside.data.setAside).toHaveLength(1);
    expect(await orders()).toHaveLength(200);
  }, 120_000);

  it('that nobody can bring is told before anything changes', async () => {
    const condition = await platform(
      'plan',
      backup,
      '--into',
      'shop',
      '--conflict',
      'replace',
      '--rows',
      'public.orders: pg_sleep(9) is null',
    );
    expect([condition.exitCode, condition.error?.code]).toEqual([2, 'invalid_input']);
    const elsewhere = await alone<{ findings: Finding[] }>(
      '--into',
      'nowhere',
      '--table',
      'public.orders',
      '--conflict',
      'replace',
      '--dry-run',
    );
    expect([elsewhere.exitCode, elsewhere.data.findings.map(({ code }) => code)]).toEqual([1, ['target_missing']]);
  }, 60_000);
});
