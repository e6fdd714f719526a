import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeptSafetyCopy, Principal, Run, RunSpec } from '@rahat/contracts';
import { scriptOf, failWith, succeed } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
const outline = { steps: ['stage', 'change', 'check'], overwrites: ['shop: public.orders'], findings: [], sizeBytes: 1000, rows: 5 };
afterEach(() => {
  scheduler.scripts.length = 0;
  scheduler.worker.outline = outline;
});

const DAY_MS = 86_400_000;
const ROWS = [{ schema: 'public', table: 'orders', condition: "email = 'secret@example.org'" }];

async function backUp(): Promise<Run> {
  scheduler.worker.outline = outline;
  const plan = await scheduler.plan();
  const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
  return scheduler.until(run.id, 'succeeded');
}
const planFor = (backup: Run, change: object = {}) =>
  scheduler.call('POST', '/api/v2/restore-plans', {
    backup: backup.backup,
    target: { kind: 'database', name: 'shop', replace: false },
    merge: { conflict: 'replace', rows: ROWS, safetyCopyDays: 3 },
    ...change,
  });
async function startRestore(backup: Run): Promise<Run> {
  const { body: plan } = await planFor(backup);
  const { body } = await scheduler.call('POST', '/api/v2/restores', { plan: plan.id, hash: plan.hash, confirm: 'shop' });
  return body;
}
const restore = async (backup: Run) => scheduler.until((await startRestore(backup)).id, 'succeeded');
const end = (id: string, body: object = { action: 'undo' }, as?: Principal) =>
  scheduler.call('POST', `/api/v2/runs/${id}/safety-copy`, body, as);
const copies = async (as?: Principal): Promise<KeptSafetyCopy[]> =>
  (await scheduler.call('GET', '/api/v2/restores/safety-copies', undefined, as)).body.data;
const copyOf = async (id: string) => (await copies()).find(({ run }) => run === id);
const specOf = (id: string): RunSpec => scheduler.attempts.findLast(({ spec }) => spec.run === id)!.spec;
const actsOn = (id: string) =>
  scheduler.told.flatMap(({ name, payload }) => {
    const act = payload as { action: string; target?: { id: string }; details: Record<string, unknown> };
    return name === 'audit.recorded.v1' && act.target?.id === id ? [act] : [];
  });

describe('a restore into a live database', () => {
  it('is planned, confirmed by name and run as planned; conditions stay out of the trail', async () => {
    const backup = await backUp();
    const { body: plan } = await planFor(backup);
    expect(plan).toMatchObject({
      merge: { conflict: 'replace', rows: ROWS, safetyCopyDays: 3, lockWaitSeconds: 10 },
      overwrites: ['shop: public.orders'],
    });
    const unconfirmed = await scheduler.call('POST', '/api/v2/restores', { plan: plan.id, hash: plan.hash });
    expect(unconfirmed).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/confirm' }] } });
    const done = await restore(backup);
    expect(specOf(done.id)).toMatchObject({ type: 'restore', merge: { conflict: 'replace', rows: ROWS }, intoExisting: false });
    const acts = [...actsOn(plan.id), ...actsOn(done.id)];
    expect(acts.map(({ action }) => action)).toEqual(['restore.planned', 'restore.started', 'restore.succeeded']);
    expect(acts[1]!.details['merge']).toMatchObject({ conflict: 'replace', rowsOf: ['public.orders'] });
    expect(JSON.stringify(acts)).not.toContain('secret@example.org');
  });

  it.each([
    ['no target', { target: undefined }, '#/target'],
    ['a database that is replaced', { target: { kind: 'database', name: 'shop', replace: true } }, '#/target/replace'],
    ['tables that are moved aside', { intoExisting: true }, '#/intoExisting'],
  ])('is refused with %s', async (_what, change, pointer) => {
    expect(await planFor(await backUp(), change)).toMatchObject({ status: 422, body: { errors: [{ pointer }] } });
  });

  it('is planned with a warning where nobody saw the database of the server that it comes from, and not refused', async () => {
    const backup = await backUp();
    await scheduler.sql(`UPDATE scheduler.backups SET method = 'postgresql.physical', database_name = NULL WHERE id = '${backup.backup}'`);
    const findingsOf = async (fromDatabase: string) => (await planFor(backup, { fromDatabase })).body.findings;
    expect(await findingsOf('crm')).toEqual([]);
    expect(await findingsOf('shopp')).toMatchObject([
      { code: 'database_unknown', severity: 'warning', object: 'shopp', fix: expect.stringContaining("Seen were 'crm', 'shop'.") },
    ]);
    const { body: plan } = await planFor(backup, { fromDatabase: 'shopp' });
    const started = await scheduler.call('POST', '/api/v2/restores', { plan: plan.id, hash: plan.hash, confirm: 'shop' });
    expect(started.status).toBe(202);
    await scheduler.until(started.body.id, 'succeeded');
  });

  it('is not green without evidence that the rows went into the live tables', async () => {
    scheduler.scripts.push(
      scriptOf('restore', async (attempt) => {
        await attempt.start();
        const evidence = {
          type: 'restore' as const,
          snapshot: (attempt.spec as { snapshot: string }).snapshot,
          target: 'shop',
          setAside: [],
          tables: [],
        };
        await attempt.finish({ outcome: 'evidence', evidence: { ...evidence, rows: 0, bytes: 0, findings: [] } });
      }),
    );
    const run = await scheduler.until((await startRestore(await backUp())).id, 'failed');
    expect(run.reasons).toEqual(['The rows did not go into the live tables.']);
    expect(await copyOf(run.id)).toBeUndefined();
  });

  it('leaves a safety copy that is listed, and undone by a run that gets the password and no repository', async () => {
    const backup = await backUp();
    const done = await restore(backup);
    const copy = await copyOf(done.id);
    expect(copy).toMatchObject({
      server: done.server,
      backup: backup.backup,
      database: 'shop',
      schema: 'rahat_undo_1',
      rows: 5,
      ending: null,
    });
    expect(Date.parse(copy!.expiresAt) - Date.parse(copy!.restoredAt)).toBe(3 * DAY_MS);
    const started = await end(done.id, { action: 'undo', force: true });
    expect(started).toMatchObject({ status: 202, body: { type: 'restore', server: done.server, backup: backup.backup } });
    const undone = await scheduler.until(started.body.id, 'succeeded');
    const attempt = scheduler.attempts.find(({ spec }) => spec.run === undone.id)!;
    expect(attempt.spec).toMatchObject({
      type: 'safety-copy',
      database: 'shop',
      order: { of: done.id, schema: 'rahat_undo_1', action: 'undo', force: true },
    });
    expect([attempt.secrets.target?.user, attempt.secrets.source, attempt.secrets.repositories]).toEqual(['backup', undefined, []]);
    expect(await copyOf(done.id)).toBeUndefined();
    expect(
      actsOn(done.id)
        .map(({ action }) => action)
        .slice(-2),
    ).toEqual(['restore.undo_started', 'restore.undo_succeeded']);
    expect(await end(done.id)).toMatchObject({ status: 404, body: { code: 'safety_copy_not_found' } });
  });

  it('is not undone where the worker sees later writes, nor twice at once, and can be after a failure', async () => {
    const done = await restore(await backUp());
    scheduler.worker.outline = {
      ...outline,
      findings: [
        { code: 'later_writes', severity: 'blocker', object: 'public.orders', message: 'Written to since: 1 row.', fix: 'SELECT 1;' },
      ],
    };
    expect(await end(done.id)).toMatchObject({
      status: 409,
      body: { code: 'undo_refused', detail: expect.stringContaining('Written to since') },
    });
    scheduler.worker.outline = outline;
    scheduler.scripts.push(scriptOf('safety-copy', (attempt) => attempt.start()));
    const { body: first } = await end(done.id);
    await scheduler.until(first.id, 'running');
    expect(await copyOf(done.id)).toMatchObject({ ending: first.id });
    expect(await end(done.id, { action: 'drop' })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await scheduler.attempts
      .find(({ spec }) => spec.run === first.id)!
      .finish({
        outcome: 'error',
        error: { code: 'undo_refused', message: 'Written to since.', retryable: false },
      });
    await scheduler.until(first.id, 'failed');
    expect(await copyOf(done.id)).toMatchObject({ ending: null });
    const { body: second } = await end(done.id, { action: 'drop' });
    await scheduler.until(second.id, 'succeeded');
    expect(await copyOf(done.id)).toBeUndefined();
  });

  it('is not believed to be undone by evidence of something else', async () => {
    const done = await restore(await backUp());
    scheduler.scripts.push(
      scriptOf('safety-copy', (attempt) =>
        succeed({
          ...attempt,
          spec: { ...attempt.spec, order: { ...(attempt.spec as { order: object }).order, action: 'drop' } } as RunSpec,
        }),
      ),
    );
    const { body } = await end(done.id);
    expect((await scheduler.until(body.id, 'failed')).reasons).toEqual(['The safety copy rahat_undo_1 was not ended as it was told.']);
    expect(await copyOf(done.id)).toBeDefined();
  });

  it('whose worker was lost tells that it may have been committed, and can be undone all the same', async () => {
    scheduler.scripts.push(scriptOf('restore', failWith('source_lost', true)), scriptOf('restore', failWith('restore_refused', false)));
    const lost = await scheduler.until((await startRestore(await backUp())).id, 'failed');
    expect(lost.reasons.at(-1)).toContain(`rahat-backup restore undo ${lost.id}`);
    const copy = await copyOf(lost.id);
    expect(copy).toMatchObject({ rows: null, schema: expect.stringMatching(/^rahat_undo_rhb_[0-9a-f]{12}_1$/) });
    const { body } = await end(lost.id);
    await scheduler.until(body.id, 'succeeded');
    expect(specOf(body.id)).toMatchObject({ order: { schema: copy!.schema } });
    const refused = await scheduler.until((await startRestore(await backUp())).id, 'failed');
    expect(await copyOf(refused.id)).toBeUndefined();
  });

  it('shows its safety copy to nobody who is limited to other servers', async () => {
    const done = await restore(await backUp());
    const limited: Principal = { ...scheduler.admin, serverGroups: ['group_other'] };
    expect(await copies(limited)).toEqual([]);
    expect(await end(done.id, { action: 'undo' }, limited)).toMatchObject({ status: 404 });
    const looked = await scheduler.call('GET', `/api/v2/runs/${done.id}/safety-copy?action=undo`, undefined, limited);
    expect(looked).toMatchObject({ status: 404 });
  });

  it('tells what its undo would do, and does nothing', async () => {
    const done = await restore(await backUp());
    const look = async (query: string) => scheduler.call('GET', `/api/v2/runs/${done.id}/safety-copy?${query}`);
    expect(await look('action=undo')).toMatchObject({ status: 200, body: { steps: expect.any(Array), findings: [] } });
    expect(await look('action=forget')).toMatchObject({ status: 422 });
    expect(await copyOf(done.id)).toMatchObject({ ending: null });
  });

  it('is found page by page, and by server and database', async () => {
    const backup = await backUp();
    const done = [await restore(backup), await restore(backup)].map(({ id }) => id);
    const page = async (query: string) =>
      (await scheduler.call('GET', `/api/v2/restores/safety-copies?server=${backup.server}&${query}`)).body;
    const first = await page('limit=1');
    const second = await page(`limit=1&cursor=${first.page.nextCursor}`);
    expect([...first.data, ...second.data].map(({ run }: { run: string }) => run)).toEqual(done.toReversed());
    expect(second.page).toEqual({ nextCursor: null, hasMore: false });
    expect((await page('database=shop')).data).toHaveLength(2);
    expect((await page('database=other')).data).toEqual([]);
  });
});

describe('a safety copy whose time is over', () => {
  const endingsOf = async (id: string) =>
    (await scheduler.sql(
      `SELECT r.id, r.state, r.cause FROM scheduler.runs r JOIN scheduler.restore_plans p ON p.id = r.restore_plan_id
        WHERE p.request -> 'safetyCopy' ->> 'of' = '${id}' ORDER BY r.due_at`,
    )) as { id: string; state: string; cause: string }[];

  it('is dropped by the scheduler, also on a server that was removed', async () => {
    const done = await restore(await backUp());
    await scheduler.sql(`UPDATE scheduler.servers SET deleted_at = now() WHERE id = '${done.server}'`);
    scheduler.clock.advance(3 * DAY_MS - 60_000);
    await scheduler.tick();
    expect(await endingsOf(done.id)).toEqual([]);
    scheduler.clock.advance(120_000);
    await scheduler.eventually(async () => (await copyOf(done.id)) === undefined);
    const [drop] = await endingsOf(done.id);
    expect(drop).toMatchObject({ state: 'succeeded', cause: 'reaction' });
    expect(specOf(drop!.id)).toMatchObject({ type: 'safety-copy', order: { action: 'drop', of: done.id } });
    expect(
      actsOn(done.id)
        .map(({ action }) => action)
        .slice(-2),
    ).toEqual(['restore.safety_copy_drop_started', 'restore.safety_copy_drop_succeeded']);
  });

  it('is tried again when its server is away, and left in the end, which the trail tells', async () => {
    const done = await restore(await backUp());
    scheduler.scripts.push(...Array.from({ length: 2 }, () => scriptOf('safety-copy', failWith('source_unreachable', false))));
    scheduler.clock.advance(3 * DAY_MS + 1);
    await scheduler.eventually(async () => (await endingsOf(done.id)).some(({ state }) => state === 'failed'));
    await scheduler.tick();
    expect(await endingsOf(done.id)).toHaveLength(1);
    scheduler.clock.advance(61 * 60_000);
    await scheduler.eventually(async () => (await endingsOf(done.id)).filter(({ state }) => state === 'failed').length === 2);
    expect(await copyOf(done.id)).toBeDefined();
    await scheduler.sql(`UPDATE scheduler.safety_copies SET drop_tries = 25 WHERE run_id = '${done.id}'`);
    scheduler.clock.advance(DAY_MS);
    await scheduler.eventually(async () => (await copyOf(done.id)) === undefined);
    expect(actsOn(done.id).at(-1)).toMatchObject({
      action: 'restore.safety_copy_left',
      details: { database: 'shop', cure: 'DROP SCHEMA rahat_undo_1 CASCADE' },
    });
    expect(await endingsOf(done.id)).toHaveLength(2);
  });

  it('waits while somebody undoes the restore', async () => {
    const done = await restore(await backUp());
    scheduler.scripts.push(scriptOf('safety-copy', (attempt) => attempt.start()));
    const { body: undo } = await end(done.id);
    await scheduler.until(undo.id, 'running');
    await scheduler.sql(`UPDATE scheduler.safety_copies SET drop_at = now() - interval '1 day' WHERE run_id = '${done.id}'`);
    await scheduler.tick();
    expect(await endingsOf(done.id)).toHaveLength(1);
    await succeed({ ...scheduler.attempts.find(({ spec }) => spec.run === undo.id)!, start: async () => undefined });
    await scheduler.until(undo.id, 'succeeded');
    await scheduler.tick();
    expect(await endingsOf(done.id)).toHaveLength(1);
  });
});
