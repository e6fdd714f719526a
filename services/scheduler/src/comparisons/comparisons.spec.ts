import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run, RunSpec } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

async function backUp(plan: { id: string }): Promise<Run> {
  const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
  return scheduler.until(run.id, 'succeeded');
}

const attemptOf = (id: string) => scheduler.attempts.find(({ spec }) => spec.run === id)!;
const specOf = (id: string): RunSpec => attemptOf(id).spec;
const usesOf = (run: string) =>
  scheduler.told.flatMap(({ name, payload }) => {
    const act = payload as { action: string; details: { run?: string; purpose?: string } };
    return name === 'audit.recorded.v1' && act.action === 'server.credential_used' && act.details.run === run ? [act.details.purpose] : [];
  });
const compare = async (body: object) => scheduler.call('POST', '/api/v2/comparisons', body);

describe('a comparison', () => {
  it('of two backups is a run whose evidence is the report; its worker is given no password of the server', async () => {
    const plan = await scheduler.plan({});
    const [older, newer] = [await backUp(plan), await backUp(plan)];
    const tables = [{ schema: 'public', table: 'orders' }];
    const started = await compare({ older: older.backup, newer: newer.backup, tables });
    expect(started).toMatchObject({ status: 202, body: { type: 'comparison', backup: older.backup, repository: older.repository } });
    const ended = await scheduler.until(started.body.id, 'succeeded');
    expect(ended.evidence).toMatchObject({ type: 'comparison', equal: true, tables: { unchanged: 3 } });
    const [before, after] = [older, newer].map(({ id }) => (specOf(id) as RunSpec & { type: 'backup' }).snapshot);
    expect(specOf(ended.id)).toMatchObject({
      type: 'comparison',
      snapshot: before,
      newer: { kind: 'backup', snapshot: after },
      tables,
      schemaOnly: false,
    });
    const { secrets } = attemptOf(ended.id);
    expect([secrets.source, secrets.target]).toEqual([undefined, undefined]);
    expect(secrets.repositories[0]?.credential.power).toBe('read');
    expect(usesOf(ended.id)).toEqual([]);
  });

  it('with the database as it is reaches the server of the backup, and the trail tells that its password was used', async () => {
    const older = await backUp(await scheduler.plan({}));
    const { body } = await compare({ older: older.backup, schemaOnly: true });
    const ended = await scheduler.until(body.id, 'succeeded');
    expect(specOf(ended.id)).toMatchObject({ newer: { kind: 'database' }, schemaOnly: true });
    expect(attemptOf(ended.id).secrets.source).toBeDefined();
    expect(usesOf(ended.id)).toEqual(['comparison']);
  });

  it('is refused where there are no tables to be seen, no such backup, or another repository', async () => {
    const plan = await scheduler.plan({});
    const [older, newer] = [await backUp(plan), await backUp(plan)];
    expect(await compare({ older: 'backup_none' })).toMatchObject({ status: 404 });
    await scheduler.sql(`UPDATE scheduler.backups SET repository_id = 'repository_other' WHERE id = '${newer.backup}'`);
    expect(await compare({ older: older.backup, newer: newer.backup })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await scheduler.sql(`UPDATE scheduler.backups SET method = 'postgresql.physical' WHERE id = '${older.backup}'`);
    expect(await compare({ older: older.backup })).toMatchObject({ status: 409 });
  });
});
