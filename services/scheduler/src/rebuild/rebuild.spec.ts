import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  newId,
  noRebuildCounts,
  SCHEDULER,
  type Backup,
  type FoundSnapshot,
  type ReadableSnapshot,
  type RebuiltSnapshot,
  type Run,
} from '@rahat/contracts';
import { scriptOf, type TestAttempt } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const REPOSITORY = 'repository_known';
const HOUR_MS = 3_600_000;

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

let plan: { id: string; server: string };
/** What the repository holds; each test begins with an empty one and a plan of its own. */
let held: FoundSnapshot[];
/** What was answered to pages that came twice. */
let repeated: RebuiltSnapshot[];
beforeEach(async () => {
  plan = await scheduler.plan({ retention: { keepLast: 2, keepProven: 1 } });
  held = [];
  repeated = [];
  await scheduler.sql(`DELETE FROM scheduler.restore_plans; DELETE FROM scheduler.backups`);
});

const get = async (path: string) => (await scheduler.call('GET', path)).body;
const backups = async (): Promise<Backup[]> => (await get(`/api/v2/backups?repository=${REPOSITORY}`)).data;

async function backUp(): Promise<Run> {
  const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
  return scheduler.until(run.id, 'succeeded');
}

/** As the manifest of one run's backup tells it. */
async function holds(run: Run, change: Partial<ReadableSnapshot> = {}): Promise<ReadableSnapshot> {
  const { spec } = scheduler.attempts.find((attempt) => attempt.spec.run === run.id && attempt.spec.attempt === run.attempt)!;
  if (spec.type !== 'backup') throw new Error('no backup');
  const at = new Date(scheduler.clock.now().getTime() - HOUR_MS).toISOString();
  const found: ReadableSnapshot = {
    readable: true,
    snapshot: spec.snapshot,
    place: 'snapshots',
    storedAt: at,
    run: spec.run,
    attempt: spec.attempt,
    organization: spec.organization,
    plan: spec.plan,
    server: { ...spec.server, identity: '7', version: '15.1' },
    database: spec.database,
    engine: 'postgresql',
    method: spec.method,
    label: 'full',
    consistency: 'snapshot',
    consistentAt: at,
    createdAt: at,
    tool: 'pg_dump 15.1',
    findings: [],
    objects: 2,
    rows: 5,
    sizeBytes: 1000,
    addedBytes: 100,
    evidence: { cleanExit: true, trailerSeen: true, objectsExpected: 2, objectsFound: 2 },
    ...change,
  };
  held.push(found);
  return found;
}

/** The worker's part: it tells what is held, in pages of two, and gives what it was answered as evidence. */
async function readRepository(attempt: TestAttempt, { spec } = attempt): Promise<void> {
  if (spec.type !== 'rebuild') throw new Error(spec.type);
  await scheduler.messaging.ask(SCHEDULER, 'attempt.claim.v1', { run: spec.run, attempt: spec.attempt, worker: 'worker-1' }, 5_000);
  const outcomes = noRebuildCounts();
  const snapshots: RebuiltSnapshot[] = [];
  let missing = { count: 0, backups: [] as { backup: string; snapshot: string }[] };
  for (let start = 0; start === 0 || start < held.length; start += 2) {
    const page = {
      run: spec.run,
      attempt: spec.attempt,
      worker: 'worker-1',
      snapshots: held.slice(start, start + 2),
      last: start + 2 >= held.length,
    };
    const answer = await scheduler.messaging.ask(SCHEDULER, 'snapshots.found.v1', page, 5_000);
    // An answer that is lost is asked for again, and nothing is recorded twice by that.
    const again = await scheduler.messaging.ask(SCHEDULER, 'snapshots.found.v1', page, 5_000);
    if (again.granted) repeated.push(...again.snapshots);
    if (!answer.granted) throw new Error('not granted');
    snapshots.push(...answer.snapshots);
    missing = answer.missing ?? missing;
  }
  for (const { outcome } of snapshots) outcomes[outcome] += 1;
  const { repository, dryRun } = spec;
  await attempt.finish({
    outcome: 'evidence',
    evidence: { type: 'rebuild', repository, dryRun, found: snapshots.length, outcomes, snapshots, missing, findings: [] },
  });
}

async function rebuild(body: object = {}): Promise<Run & { evidence: { type: 'rebuild' } }> {
  scheduler.scripts.push(scriptOf('rebuild', readRepository));
  const [run] = (await scheduler.call('POST', '/api/v2/catalog/rebuild', body)).body.runs as Run[];
  return scheduler.until(run!.id, 'succeeded', 'partial', 'failed') as Promise<Run & { evidence: { type: 'rebuild' } }>;
}

describe('a rebuild of the catalog', () => {
  it('brings back all rows with plan, run and times; a dry run only says so, and a second one changes nothing', async () => {
    const runs = [await backUp(), await backUp()];
    const before = await backups();
    for (const run of runs) await holds(run);
    await scheduler.sql(`DELETE FROM scheduler.backups`);

    const { evidence, state } = await rebuild({ dryRun: true });
    expect([state, evidence.dryRun, evidence.outcomes.recorded, await backups()]).toEqual(['succeeded', true, 2, []]);

    expect((await rebuild({ repository: REPOSITORY })).evidence.outcomes).toMatchObject({ recorded: 2, known: 0 });
    expect(repeated.slice(-2).map(({ outcome }) => outcome)).toEqual(['recorded', 'recorded']);
    const after = await backups();
    const lasting = ({ snapshot, run, plan: of, server, database, databaseName, state: became, sizeBytes, tool }: Backup) => ({
      snapshot,
      run,
      of,
      server,
      database,
      databaseName,
      became,
      sizeBytes,
      tool,
    });
    expect(after.map(lasting).sort(bySnapshot)).toEqual(before.map(lasting).sort(bySnapshot));
    const storedAt = new Map(held.map((found) => [found.snapshot, found.storedAt]));
    expect(after).toMatchObject(
      after.map(({ snapshot }) => ({ proof: 'stored', createdAt: storedAt.get(snapshot), found: { at: expect.any(String) } })),
    );
    expect((await get(`/api/v2/runs/${runs[0]!.id}`)).backup).toBe(after.find(({ run }) => run === runs[0]!.id)!.id);

    expect((await rebuild()).evidence.outcomes).toMatchObject({ recorded: 0, known: 2 });
    expect(await backups()).toEqual(after);
    expect(scheduler.told.filter(({ name }) => name === 'snapshot.remove.v1')).toEqual([]);
    const attempt = scheduler.attempts.find(({ spec }) => spec.type === 'rebuild')!;
    expect(attempt.secrets).toEqual({
      repositories: [expect.objectContaining({ credential: expect.objectContaining({ power: 'write-only' }) })],
    });
  });

  it('knows what a backup rests upon, in whatever order the two are found', async () => {
    const runs = [await backUp(), await backUp()];
    const [child, parent] = [runs[0]!, runs[1]!].map((run) => run.evidence as { type: 'backup'; snapshot: string });
    await holds(runs[0]!, { label: 'incremental (native)', parent: parent!.snapshot });
    await holds(runs[1]!);
    await scheduler.sql(`DELETE FROM scheduler.backups`);
    await rebuild();
    const found = new Map((await backups()).map((backup) => [backup.snapshot, backup]));
    expect(found.get(child!.snapshot)).toMatchObject({ type: 'incremental', parent: found.get(parent!.snapshot)!.id });
    expect(found.get(parent!.snapshot)).toMatchObject({ type: 'full', parent: null });
  });

  it('finds a place for what the ledger never heard of: by plan, by what the server says it is, or as of a deleted server', async () => {
    const run = await backUp();
    await scheduler.sql(`DELETE FROM scheduler.backups`);
    const forgotten = (change: Partial<ReadableSnapshot>) =>
      holds(run, { snapshot: newId('backup').replace('backup', 'snapshot'), run: newId('run'), ...change });
    const byPlan = await forgotten({});
    const older = await forgotten({ plan: undefined });
    const planGone = await forgotten({ plan: { id: newId('plan'), name: 'gone' } });
    const readded = await forgotten({
      plan: undefined,
      server: { id: newId('server'), name: held[0]!.snapshot, identity: 'x', version: '1' },
    });
    await scheduler.sql(`UPDATE scheduler.servers SET identity = 'y' WHERE id = '${plan.server}'`);
    const byIdentity = await forgotten({
      plan: undefined,
      server: { id: newId('server'), name: 'old name', identity: 'y', version: '15.1' },
    });
    const incomplete = await forgotten({
      database: { name: 'never seen' },
      evidence: { cleanExit: false, objectsExpected: 3, objectsFound: 2 },
    });
    expect((await rebuild()).evidence.outcomes.recorded).toBe(6);

    const all = await backups();
    const of = (snapshot: ReadableSnapshot) => all.find((backup) => backup.snapshot === snapshot.snapshot)!;
    for (const found of [byPlan, older, byIdentity])
      expect(of(found)).toMatchObject({ plan: plan.id, server: plan.server, run: null, found: { run: found.run } });
    expect(of(planGone)).toMatchObject({ plan: null, server: plan.server });
    expect(of(byPlan).database).toBe(of(byIdentity).database);
    expect(of(readded)).toMatchObject({ plan: null, server: readded.server.id, serverName: readded.server.name, databaseName: 'shop' });
    expect((await scheduler.call('GET', `/api/v2/servers/${readded.server.id}`)).status).toBe(404);
    expect(of(incomplete)).toMatchObject({
      state: 'partial',
      databaseName: 'never seen',
      findings: expect.arrayContaining([expect.objectContaining({ severity: 'gap' })]),
    });

    // Listed, verified and restored as one of a deleted server is.
    const verification = (await scheduler.call('POST', `/api/v2/backups/${of(readded).id}/verify`, { level: 'BASIC' })).body as Run;
    await scheduler.until(verification.id, 'succeeded');
    const restored = await scheduler.call('POST', '/api/v2/restore-plans', { backup: of(readded).id, server: plan.server });
    expect(restored.status).toBe(201);
  });

  it('leaves to a run what it is about to say itself, and to the storage what was given up', async () => {
    scheduler.scripts.push(async (attempt) => attempt.start());
    const [started] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs as Run[];
    const running = await scheduler.until(started!.id, 'running');
    await holds(running);
    expect((await rebuild()).evidence.outcomes).toMatchObject({ inFlight: 1, recorded: 0 });
    const attempt = scheduler.attempts.find(({ spec }) => spec.run === running.id)!;
    await attempt.finish({ outcome: 'error', error: { code: 'dump_invalid', message: 'scripted', retryable: false } });
    await scheduler.until(running.id, 'failed');
    const { evidence } = await rebuild();
    expect([evidence.outcomes.givenUp, evidence.snapshots[0]!.reason]).toEqual([1, expect.stringContaining('given up')]);
    expect(await backups()).toEqual([]);
  });

  it('keeps the trash the trash, and believes the repository where the catalog says otherwise', async () => {
    const [unknown, standing, removed] = [await backUp(), await backUp(), await backUp()];
    const recorded = await backups();
    const idOf = (run: Run) => recorded.find((backup) => backup.run === run.id)!.id;
    await scheduler.sql(`DELETE FROM scheduler.backups WHERE id = '${idOf(unknown)}'`);
    await scheduler.sql(
      `UPDATE scheduler.backups SET removal_requested_at = now() - interval '1 day', removed_at = now() - interval '1 day', created_at = now() - interval '2 days' WHERE id = '${idOf(removed)}'`,
    );
    await holds(unknown, { place: 'trash' });
    await holds(standing, { place: 'trash' });
    await holds(removed);
    expect((await rebuild()).evidence.outcomes).toMatchObject({ recordedInTrash: 1, corrected: 2, recorded: 0 });
    const listed = await backups();
    expect(listed).toMatchObject([{ id: idOf(removed), removedAt: null, hold: { by: 'rebuild of the catalog' } }]);
    const trash = (await get(`/api/v2/trash?repository=${REPOSITORY}`)).data;
    expect(trash.map(({ snapshot }: { snapshot: string }) => snapshot).sort()).toEqual(
      held
        .slice(0, 2)
        .map(({ snapshot }) => snapshot)
        .sort(),
    );
    expect((await scheduler.call('POST', `/api/v2/backups/${trash[0].backup}/bring-back`)).status).toBe(202);
  });

  it('marks rows whose snapshot is gone, counts on them no more, and removes none; unreadable ones and those of others are told', async () => {
    const gone = await backUp();
    const there = await holds(await backUp());
    held.push({
      readable: false,
      snapshot: 'snapshot_torn',
      place: 'snapshots',
      storedAt: there.storedAt,
      error: { code: 'repository_damaged', message: 'torn' },
    });
    await holds(gone, { snapshot: 'snapshot_of_others', organization: newId('organization') });
    scheduler.clock.advance(1_000);
    const { evidence, state } = await rebuild();
    const [row] = (await backups()).filter(({ run }) => run === gone.id);
    expect(evidence).toMatchObject({
      outcomes: { known: 1, unreadable: 1, foreign: 1 },
      missing: { count: 1, backups: [{ backup: row!.id }] },
    });
    expect(state).toBe('partial');
    expect(evidence.snapshots.slice(1)).toMatchObject([{ reason: 'torn' }, { reason: expect.stringContaining('organization') }]);
    expect(row).toMatchObject({ missingSince: expect.any(String), retention: { kept: true } });
    expect((await get('/api/v2/status')).databases.find((database: { plan: string }) => database.plan === plan.id)).toMatchObject({
      backups: 1,
    });

    // The only one that is there is the one that retention counts on.
    const { backups: decided } = await get(`/api/v2/plans/${plan.id}/retention`);
    expect(decided).toMatchObject([{ kept: true, reason: expect.stringMatching(/no newer backup is proven|one of the last/) }]);
    await holds(gone);
    expect((await rebuild()).evidence.missing.count).toBe(0);
    expect((await backups()).every(({ missingSince }) => missingSince === null)).toBe(true);
  });

  it('fills the catalog of its own organization only, though ids of others stand in the manifests', async () => {
    const run = await backUp();
    const organization = newId('organization');
    const server = newId('server');
    await scheduler.sql(
      `INSERT INTO scheduler.servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool) VALUES ('${server}', '${organization}', 'theirs', 'postgresql', '{}', '', now(), 'default')`,
    );
    const found = await holds(run, {
      snapshot: 'snapshot_mine',
      run: newId('run'),
      server: { id: server, name: 'lost', identity: 'z', version: '15' },
    });
    await rebuild();
    const [row] = (await backups()).filter(({ snapshot }) => snapshot === found.snapshot);
    expect(row).toMatchObject({ serverName: 'lost' });
    expect(row!.server).not.toBe(server);
    expect(await scheduler.sql(`SELECT DISTINCT organization_id FROM scheduler.backups`)).toEqual([
      { organization_id: scheduler.admin.organization },
    ]);
  });

  it('is one at a time for a repository, and needs one', async () => {
    scheduler.scripts.push(async (attempt) => attempt.start());
    const start = (body: object) => scheduler.call('POST', '/api/v2/catalog/rebuild', body);
    const first = (await start({})).body.runs[0] as Run;
    expect((await start({})).body.runs).toMatchObject([{ id: first.id }]);
    expect(await start({ dryRun: true })).toMatchObject({ status: 409, body: { hint: expect.stringContaining(first.id) } });
    expect((await start({ repository: 'repository_other' })).status).toBe(404);
    await scheduler.until(first.id, 'running');
    await scheduler.call('POST', `/api/v2/runs/${first.id}/cancel`);
    await scheduler.attempts.find(({ spec }) => spec.run === first.id)!.finish({ outcome: 'cancelled' });
    await scheduler.until(first.id, 'cancelled');
    const page = { run: first.id, attempt: 1, worker: 'worker-1', snapshots: [], last: true };
    expect(await scheduler.messaging.ask(SCHEDULER, 'snapshots.found.v1', page, 5_000)).toEqual({ granted: false });
  });
});

describe('a database that was restored to yesterday', () => {
  /** The copy was taken while this run ran; a day later it is the database. */
  async function restoreToYesterday(running: Run): Promise<void> {
    await scheduler.sql(`UPDATE scheduler.runs SET heartbeat_at = heartbeat_at - interval '1 day' WHERE id = '${running.id}'`);
    await scheduler.sql(`UPDATE scheduler.attempts SET queued_at = queued_at - interval '1 day' WHERE run_id = '${running.id}'`);
    await scheduler.sql(
      `UPDATE scheduler.memory SET beat_at = beat_at - interval '1 day', forgotten_until = forgotten_until - interval '1 day'`,
    );
    scheduler.clock.advance(30_000);
  }

  it('discards nothing of attempts whose end it may have forgotten, and a rebuild finds what they committed', async () => {
    scheduler.scripts.push(async (attempt) => attempt.start());
    const [started] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs as Run[];
    const running = await scheduler.until(started!.id, 'running');
    const forgotten = await holds(running);
    await restoreToYesterday(running);
    const ended = await scheduler.until(running.id, 'succeeded');
    expect(ended.attempt).toBe(2);
    expect(
      scheduler.told.some(({ name, payload }) => name === 'snapshot.discard.v1' && (payload as { run: string }).run === running.id),
    ).toBe(false);
    expect(scheduler.told).toContainEqual(
      expect.objectContaining({
        payload: expect.objectContaining({ action: 'snapshot.left', target: { kind: 'snapshot', id: forgotten.snapshot } }),
      }),
    );
    await holds(ended);
    expect((await rebuild()).evidence.outcomes).toMatchObject({ recorded: 1, known: 1 });
    expect((await backups()).map(({ plan: of, run, found }) => [of, run, found?.run])).toEqual(
      expect.arrayContaining([
        [plan.id, ended.id, undefined],
        [plan.id, null, ended.id],
      ]),
    );
  });

  it('has its repository read by itself, once people had time to look, for what the lost attempt committed', async () => {
    scheduler.scripts.push(async (attempt) => attempt.start());
    const [started] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs as Run[];
    const running = await scheduler.until(started!.id, 'running');
    const forgotten = await holds(running);
    await restoreToYesterday(running);
    await holds(await scheduler.until(running.id, 'succeeded'));
    const rebuilds = () =>
      scheduler.sql(`SELECT id FROM scheduler.runs WHERE type = 'rebuild' AND cause = 'reaction'`) as Promise<{ id: string }[]>;
    const left = () => scheduler.sql(`SELECT snapshot FROM scheduler.attempts WHERE left_at IS NOT NULL AND run_id = '${running.id}'`);
    await scheduler.tick();
    expect(await left()).toEqual([{ snapshot: forgotten.snapshot }]);
    expect(await rebuilds()).toEqual([]);

    scheduler.clock.advance(2 * HOUR_MS);
    scheduler.scripts.push(scriptOf('rebuild', readRepository));
    await scheduler.tick();
    const [first] = await rebuilds();
    await scheduler.until(first!.id, 'succeeded', 'partial');
    expect((await backups()).map(({ snapshot }) => snapshot)).toContain(forgotten.snapshot);
    await scheduler.tick();
    expect(await left()).toEqual([]);
    scheduler.clock.advance(48 * HOUR_MS);
    await scheduler.tick();
    expect(await rebuilds()).toHaveLength(1);
  });

  it('is read a second time when the lost attempt could still commit during the first, and not again', async () => {
    const [ended] = [await backUp()];
    await scheduler.sql(
      `UPDATE scheduler.attempts SET left_at = finished_at, snapshot = 'snapshot_never_seen' WHERE run_id = '${ended.id}'`,
    );
    const rebuilds = async () =>
      scheduler.sql(`SELECT id FROM scheduler.runs WHERE type = 'rebuild' AND cause = 'reaction' AND due_at > '${ended.finishedAt}'`);
    for (const [hours, expected] of [
      [2, 1],
      [4, 1],
      [14, 2],
      [48, 2],
    ] as const) {
      scheduler.clock.advance(hours * HOUR_MS);
      scheduler.scripts.push(scriptOf('rebuild', readRepository));
      await scheduler.eventually(async () => {
        await scheduler.tick();
        return (await rebuilds()).length === expected;
      });
      await scheduler.eventually(
        async () => (await scheduler.sql(`SELECT 1 FROM scheduler.runs WHERE type = 'rebuild' AND finished_at IS NULL`)).length === 0,
      );
    }
    await scheduler.tick();
    expect(await scheduler.sql(`SELECT 1 FROM scheduler.attempts WHERE left_at IS NOT NULL`)).toEqual([]);
  });
});

describe('a repository of another installation', () => {
  it('fills the catalog with what it held when it was attached, and with nothing that others store there later', async () => {
    const made = await backUp();
    const theirs = { organization: 'organization_of_before', run: newId('run'), plan: { id: newId('plan'), name: 'theirs' } };
    const before = await holds(made, { ...theirs, snapshot: 'snapshot_before' });
    await holds(made, { ...theirs, snapshot: 'snapshot_later', createdAt: scheduler.clock.now().toISOString() });
    const [known] = scheduler.places.repositories;
    known!.attachedAt = new Date(scheduler.clock.now().getTime() - HOUR_MS / 2).toISOString();
    const { evidence } = await rebuild();
    known!.attachedAt = null;
    expect(evidence.outcomes).toMatchObject({ recorded: 1, foreign: 1 });
    const [found] = (await backups()).filter(({ snapshot }) => snapshot === before.snapshot);
    expect(found).toMatchObject({ plan: null, server: plan.server, databaseName: 'shop' });
  });
});

function bySnapshot(a: { snapshot: string }, b: { snapshot: string }): number {
  return a.snapshot < b.snapshot ? -1 : 1;
}
