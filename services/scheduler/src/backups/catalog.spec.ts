import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QUEUES, type Run } from '@rahat/contracts';
import { METRICS, type Registry } from '@rahat/service-kit';
import { failWith, withEvidence, type Script, type TestAttempt } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
afterEach(() => {
  scheduler.scripts.length = 0;
  scheduler.worker.outline = { ...scheduler.worker.outline, overwrites: [], findings: [] };
});

const get = async (path: string) => (await scheduler.call('GET', path)).body;
async function backUp(plan: string, ...scripts: Script[]): Promise<{ run: Run; backup: string }> {
  scheduler.scripts.push(...scripts);
  const [started] = (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs;
  const run = await scheduler.until(started.id, 'succeeded');
  return { run, backup: run.backup! };
}
const proof = (backup: string, value: string) =>
  scheduler.eventually(async () => ((found) => found.proof === value && found)(await get(`/api/v2/backups/${backup}`)));
const statusOf = async (plan: string) => (await get('/api/v2/status')).databases.find((line: { plan: string }) => line.plan === plan);
const failing = (code: string, retryable = false): Script => failWith(code, retryable);
const ok: Script = withEvidence({});
const powerOf = ({ secrets }: TestAttempt) => secrets.repositories[0]!.credential.power;

describe('verification', () => {
  it('follows a backup, level after level, without the password of the source, and reads data only where its level needs it', async () => {
    const plan = await scheduler.plan({ verify: ['FULL', 'BASIC'] });
    const { backup } = await backUp(plan.id);
    expect(await proof(backup, 'FULL')).toMatchObject({ provenAt: expect.any(String) });
    const verifications = scheduler.attempts.filter(({ spec }) => spec.type === 'verification');
    expect(verifications.map(({ spec }) => (spec as { level: string }).level)).toEqual(['BASIC', 'FULL']);
    expect(verifications.every(({ secrets }) => secrets.source === undefined)).toBe(true);
    expect(verifications.map(powerOf)).toEqual(['write-only', 'read']);
    expect(await statusOf(plan.id)).toMatchObject({
      state: 'proven',
      backups: 1,
      backupAgeSeconds: expect.any(Number),
      proofAgeSeconds: expect.any(Number),
      allowedAgeSeconds: null,
    });
    const metrics = await scheduler.application.get<Registry>(METRICS).metrics();
    for (const name of ['last_success', 'last_verified'])
      expect(metrics).toMatch(
        new RegExp(
          `^rahat_backup_${name}_timestamp_seconds\\{organization="org_[^}]*database="shop",engine="postgresql",plan="${plan.id}"\\} 1\\.?\\d`,
          'm',
        ),
      );
    const again = await scheduler.call('POST', `/api/v2/backups/${backup}/verify`, { level: 'DATABASE' });
    expect(again.status).toBe(202);
    await scheduler.until(again.body.id, 'succeeded');
    expect(powerOf(scheduler.attempts.find(({ spec }) => spec.run === again.body.id)!)).toBe('read');
  });

  it('marks damage, which no superficial look takes back, and nothing is green then', async () => {
    const plan = await scheduler.plan({ verify: ['BASIC', 'FULL'] });
    const mismatch = withEvidence({ tables: [{ schema: 'public', table: 'orders', expectedRows: 5, actualRows: 4, matches: false }] });
    const { backup } = await backUp(plan.id, ok, ok, mismatch);
    await proof(backup, 'damaged');
    const look = (await scheduler.call('POST', `/api/v2/backups/${backup}/verify`, { level: 'BASIC' })).body;
    await scheduler.until(look.id, 'succeeded');
    await proof(backup, 'damaged');
    expect(await statusOf(plan.id)).toMatchObject({ state: 'failing', backups: 0, lastBackupAt: null });
    const thorough = (await scheduler.call('POST', `/api/v2/backups/${backup}/verify`, { level: 'FULL' })).body;
    await scheduler.until(thorough.id, 'succeeded');
    await proof(backup, 'FULL');
  });

  it('that cannot be done leaves the backup as it was, and tells', async () => {
    const plan = await scheduler.plan({ verify: ['BASIC'] });
    const { backup } = await backUp(plan.id, ok, failing('storage_permission_denied'));
    await scheduler.eventually(async () => (await statusOf(plan.id)).state === 'failing');
    expect(await get(`/api/v2/backups/${backup}`)).toMatchObject({ proof: 'stored' });
    expect(await statusOf(plan.id)).toMatchObject({ backups: 1, lastError: { code: 'storage_permission_denied' } });
  });
});

describe('retention', () => {
  it('removes what a newer proven backup outlives, and keeps the row until it is really gone', async () => {
    const plan = await scheduler.plan({ verify: ['FULL'], retention: { keepLast: 1, keepProven: 1 } });
    const first = await backUp(plan.id);
    await proof(first.backup, 'FULL');
    const unproven = await backUp(plan.id, ok, failing('storage_unreachable'));
    await scheduler.eventually(async () => (await statusOf(plan.id)).state === 'failing');
    expect(
      (await get(`/api/v2/backups?plan=${plan.id}`)).data.map((backup: { retention: { kept: boolean } }) => backup.retention.kept),
    ).toEqual([true, true]);

    const third = await backUp(plan.id);
    await proof(third.backup, 'FULL');
    const removal = await scheduler.eventually(async () => scheduler.removals.find(({ backup }) => backup === first.backup));
    expect((await get(`/api/v2/plans/${plan.id}/retention`)).backups).toMatchObject([
      { backup: third.backup, kept: true, reason: 'one of the last 1 backups' },
    ]);
    expect((await scheduler.call('POST', `/api/v2/backups/${first.backup}/verify`, {})).status).toBe(409);
    const answer = (error?: object) =>
      scheduler.messaging.send(QUEUES.scheduler, 'snapshot.removed.v1', {
        organization: removal.organization,
        backup: first.backup,
        snapshot: removal.snapshot,
        ...(error ? { error } : {}),
      } as never);
    await answer({ code: 'storage_unreachable', message: 'unplugged', retryable: true });
    await scheduler.eventually(async () =>
      (await get(`/api/v2/backups/${first.backup}`)).retention.reason.includes('not removed yet: unplugged'),
    );
    scheduler.clock.advance(61_000);
    await scheduler.eventually(async () => scheduler.removals.filter(({ backup }) => backup === first.backup).length === 2);
    await answer();
    await scheduler.eventually(async () => (await get(`/api/v2/backups/${first.backup}`)).removedAt);
    expect((await get(`/api/v2/backups?plan=${plan.id}`)).data.map((backup: { id: string }) => backup.id)).toEqual([
      third.backup,
      unproven.backup,
    ]);
  });

  it('changes of a policy only what is said, and refuses what it does not know', async () => {
    const plan = await scheduler.plan({ retention: { keepLast: 3, keepMonthly: 12, keepDays: 30 } });
    const change = async (retention: object) => scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { retention });
    expect((await change({ keepLast: 5, keepDays: null, maxBytes: 500e9 })).body.retention).toEqual({
      keepLast: 5,
      keepProven: 2,
      keepDays: null,
      keepHourly: 0,
      keepDaily: 0,
      keepWeekly: 0,
      keepMonthly: 12,
      keepYearly: 0,
      maxBytes: 500e9,
    });
    expect((await change({ keepMonths: 3 })).status).toBe(422);
  });

  it('keeps one of each month where the policy asks for it, and touches no other database', async () => {
    const plan = await scheduler.plan({ databases: 'all', retention: { keepLast: 1, keepProven: 1, keepMonthly: 2 } });
    const dates = ['2026-01-10', '2026-02-10', '2026-02-20', '2026-03-10'];
    for (const date of dates) {
      const onDate = withEvidence({ consistentAt: `${date}T12:00:00.000Z` });
      scheduler.scripts.push(onDate, onDate);
      const { runs } = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body;
      for (const run of runs) await scheduler.until(run.id, 'succeeded');
    }
    const backups = await scheduler.eventually(async () => {
      const { data } = await get(`/api/v2/backups?plan=${plan.id}`);
      return data.filter(({ retention }: { retention: { kept: boolean } }) => !retention.kept).length === 4 && data;
    });
    for (const name of ['shop', 'crm'])
      expect(
        backups
          .filter(({ databaseName }: { databaseName: string }) => databaseName === name)
          .map((backup: { consistentAt: string; retention: object }) => [backup.consistentAt.slice(0, 10), backup.retention])
          .reverse(),
      ).toMatchObject([
        ['2026-01-10', { kept: false }],
        ['2026-02-10', { kept: false }],
        ['2026-02-20', { kept: true, reason: 'the backup of 2026-02, one of the last 2 months' }],
        ['2026-03-10', { kept: true, reason: 'one of the last 1 backups' }],
      ]);
  });

  it('removes no held backup until it is released', async () => {
    const plan = await scheduler.plan({ retention: { keepLast: 1, keepProven: 1 } });
    const { backup: held } = await backUp(plan.id);
    const hold = (body: object) => scheduler.call('PUT', `/api/v2/backups/${held}/hold`, body);
    expect((await hold({ reason: ' ' })).status).toBe(422);
    expect((await hold({ reason: 'evidence in a case' })).body).toMatchObject({
      hold: { reason: 'evidence in a case', by: 'Ada' },
      retention: { kept: true, reason: 'held: evidence in a case' },
    });
    const { backup: second } = await backUp(plan.id);
    await backUp(plan.id);
    await scheduler.eventually(async () => scheduler.removals.some(({ backup }) => backup === second));
    expect((await get(`/api/v2/backups/${held}`)).retention).toEqual({ kept: true, reason: 'held: evidence in a case' });
    expect((await scheduler.call('PUT', `/api/v2/backups/${second}/hold`, { reason: 'too late' })).status).toBe(409);

    expect((await scheduler.call('DELETE', `/api/v2/backups/${held}/hold`)).body).toMatchObject({ hold: null, retention: { kept: true } });
    expect((await scheduler.call('DELETE', `/api/v2/backups/${held}/hold`)).status).toBe(409);
    await backUp(plan.id);
    await scheduler.eventually(async () => scheduler.removals.some(({ backup }) => backup === held));
  });

  it('stops before it would remove far more than usual, until somebody confirms what it showed', async () => {
    const plan = await scheduler.plan({ retention: { keepLast: 10, keepProven: 1 } });
    for (let taken = 0; taken < 6; taken += 1) await backUp(plan.id);
    await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { retention: { keepLast: 1 } });
    const { backup: newest } = await backUp(plan.id);
    const reason = 'waits for confirmation: retention would remove 6 of 7 backups at once';
    const waiting = async () =>
      (await get(`/api/v2/backups?plan=${plan.id}`)).data.filter(
        (backup: { retention: { reason: string } }) => backup.retention.reason === reason,
      );
    const held = await scheduler.eventually(async () => ((found) => found.length === 6 && found)(await waiting()));
    expect(held.every((backup: { retention: { kept: boolean } }) => backup.retention.kept)).toBe(true);

    const path = `/api/v2/plans/${plan.id}/retention`;
    const shown = await get(path);
    expect(shown.brakes).toMatchObject([{ server: plan.server, databaseName: 'shop', dropped: 6, of: 7 }]);
    await scheduler.call('PUT', `/api/v2/backups/${held[0].id}/hold`, { reason: 'not this one' });
    expect((await scheduler.call('POST', path, { hash: shown.hash })).status).toBe(409);
    const confirmed = await scheduler.call('POST', path, { hash: (await get(path)).hash });
    expect(confirmed.body.backups.map((line: { backup: string }) => line.backup).sort()).toEqual([newest, held[0].id].sort());
    await scheduler.eventually(async () =>
      held.slice(1).every(({ id }: { id: string }) => scheduler.removals.some(({ backup }) => backup === id)),
    );
  });

  it('touches nothing after a failed backup', async () => {
    const plan = await scheduler.plan({ retention: { keepLast: 1, keepProven: 1 }, maxAttempts: 1 });
    const { backup } = await backUp(plan.id);
    scheduler.scripts.push(withEvidence({ bytes: 0 }));
    const [failed] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
    await scheduler.until(failed.id, 'failed');
    expect((await get(`/api/v2/plans/${plan.id}/retention`)).backups).toMatchObject([{ backup, kept: true }]);
    expect(await statusOf(plan.id)).toMatchObject({ state: 'failing', backups: 1 });
  });
});

describe('a restore', () => {
  const planFor = (backup: string, change: object = {}) => scheduler.call('POST', '/api/v2/restore-plans', { backup, ...change });
  const run = (plan: { id: string; hash: string }, change: object = {}) =>
    scheduler.call('POST', '/api/v2/restores', { plan: plan.id, hash: plan.hash, ...change });

  it('runs its plan once, into a new database by default', async () => {
    const { backup } = await backUp((await scheduler.plan()).id);
    const plan = (await planFor(backup)).body;
    expect(plan).toMatchObject({
      target: { kind: 'database', name: expect.stringMatching(/^shop_restored_\d{8}_\d{6}$/), replace: false },
      steps: ['stage', 'check', 'swap'],
    });
    expect(await run({ ...plan, hash: 'other' })).toMatchObject({ status: 409, body: { code: 'restore_plan_stale' } });
    const started = await run(plan);
    expect(started).toMatchObject({ status: 202, body: { type: 'restore' } });
    await scheduler.until(started.body.id, 'succeeded');
    const { spec, secrets } = scheduler.attempts.at(-1)!;
    expect(spec).toMatchObject({ type: 'restore', target: plan.target });
    expect([secrets.source, secrets.target?.host]).toEqual([undefined, 'db.example']);
    expect(powerOf(scheduler.attempts.at(-1)!)).toBe('read');
    expect(await run(plan)).toMatchObject({ status: 409, body: { code: 'restore_plan_stale' } });
  });

  it('that replaces needs the name, and is refused when its plan is no longer true', async () => {
    const { backup } = await backUp((await scheduler.plan()).id);
    scheduler.worker.outline = { ...scheduler.worker.outline, overwrites: ['shop'] };
    const request = { target: { kind: 'database', name: 'shop', replace: true } };
    const plan = (await planFor(backup, request)).body;
    expect(await run(plan)).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/confirm' }] } });
    scheduler.worker.outline = { ...scheduler.worker.outline, overwrites: ['shop', 'shop_old'] };
    expect(await run(plan, { confirm: 'shop' })).toMatchObject({ status: 409, body: { code: 'restore_plan_stale' } });
    scheduler.worker.outline = { ...scheduler.worker.outline, overwrites: ['shop'] };
    scheduler.clock.advance(3_601_000);
    expect(await run(plan, { confirm: 'shop' })).toMatchObject({ status: 409, body: { code: 'restore_plan_stale' } });
    expect(await run((await planFor(backup, request)).body, { confirm: 'shop' })).toMatchObject({ status: 202 });
    scheduler.worker.outline = {
      ...scheduler.worker.outline,
      overwrites: [],
      findings: [{ code: 'full', severity: 'blocker', message: 'no space' }],
    };
    expect(await run((await planFor(backup)).body)).toMatchObject({ status: 422, body: { code: 'preflight_blocked' } });
  });
});

describe("the platform's own protection", () => {
  it('is set up once, follows a moved database, and ends proven', async () => {
    const service = scheduler.application.service('standalone', scheduler.admin.organization);
    const protect = (port: number) =>
      scheduler.call(
        'POST',
        '/internal/v1/platform-protection',
        {
          organization: scheduler.admin.organization,
          connection: { host: '127.0.0.1', port, user: 'rahat', password: 'x' },
          repository: 'repository_known',
        },
        service,
      );
    const first = await protect(5001);
    expect(first).toMatchObject({ status: 200, body: { protected: true, proven: false, run: { type: 'backup', state: 'due' } } });
    await protect(5001);
    expect((await get(`/api/v2/runs?server=${first.body.server}&type=backup`)).data).toHaveLength(1);
    await scheduler.eventually(
      async () => (await scheduler.call('GET', '/internal/v1/platform-protection', undefined, service)).body.proven,
    );
    expect(
      scheduler.attempts.some(({ spec }) => spec.type === 'backup' && spec.method === 'postgresql.physical' && spec.database === undefined),
    ).toBe(true);
    expect((await protect(5002)).body).toMatchObject({ proven: true, plan: first.body.plan });
    expect(await get(`/api/v2/servers/${first.body.server}`)).toMatchObject({ platform: true, address: { port: 5002 } });
    expect((await scheduler.call('GET', '/internal/v1/platform-protection')).status).toBe(403);
  });
});
