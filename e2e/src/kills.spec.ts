import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditList, backupsVerify, runsLog } from '@rahat/api-client';
import { data, mismatches, proveTables, startPlatform } from '@rahat/demo';
import { attemptProcess, descendants, kill9, untilAttemptProcess } from './processes.js';
import { type Gate, installGate } from './gate.js';
import {
  backUp,
  backupsOf,
  filesOf,
  snapshotsAtRest,
  offline,
  protect,
  readBackup,
  restoreAs,
  startBackup,
  statusOf,
  untilEnded,
  untilPacksGrow,
  untilRun,
  type CheckReport,
  type Protection,
} from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, type World } from './world.js';

const ENTRY = fileURLToPath(new URL('../../services/standalone/dist/main.js', import.meta.url));

/** The tests follow upon each other, on one data folder. */
describe.each(shapes(STANDALONE))('kill -9 ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;
  let gate: Gate;

  beforeAll(async () => {
    world = await openWorld([], shape);
    gate = await installGate(world);
    await fillWithNoise(world, 100);
    // More backups than a plan keeps by default: one that retention is about to remove would look like one that a kill lost.
    protection = await protect(world, { retention: { keepLast: 100 } });
  }, 180_000);
  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** A backup that has stored packs and is held in the middle of its stream. */
  async function startAndStorePacks(): Promise<string> {
    const before = (await filesOf(protection, 'packs')).length;
    gate.closeAfter(90e6);
    const run = await startBackup(world, protection);
    await untilPacksGrow(protection, before);
    return run;
  }

  async function expectOnlyRecordedSnapshots(): Promise<void> {
    const recorded = (await backupsOf(world, protection)).map(({ snapshot }) => snapshot);
    const left = await leftSnapshots();
    const stored = await snapshotsAtRest(protection, [...recorded, ...left]);
    expect(stored.filter((id) => !left.includes(id))).toEqual(recorded.sort());
  }

  /** A scheduler that was away for longer takes out of a repository nothing that it may have forgotten; the trail tells of it. */
  async function leftSnapshots(): Promise<string[]> {
    const { data: acts } = await data(auditList({ client: world.platform.client, query: { limit: 200 } }));
    return acts.flatMap(({ action, target }) => (action === 'snapshot.left' && target ? [target.id] : []));
  }

  it("of an attempt's process in mid-backup: told, tried again, one snapshot, the garbage is found", async () => {
    const run = await startAndStorePacks();
    kill9([await untilAttemptProcess(world.platform.pid, run)]);
    gate.open();
    expect(await filesOf(protection, 'snapshots')).toEqual([]);
    const lost = await untilRun(world, run, ({ attempt, state }) => attempt === 2 || state === 'failed');
    expect(lost.attempt).toBe(2);
    expect(lost.reasons.join(' ')).toMatch(/killed by SIGKILL/);

    expect(await untilEnded(world, run)).toMatchObject({ state: 'succeeded', attempt: 2 });
    await expectOnlyRecordedSnapshots();
    expect(await backupsOf(world, protection)).toHaveLength(1);
    const check = await offline<CheckReport>(world, protection, 'check', '--level', 'read-data');
    expect(check).toMatchObject({ exitCode: 0, data: { healthy: true, snapshots: 1 } });
    expect(check.data.orphanPacks).toBeGreaterThan(0);
  }, 180_000);

  it('of every attempt: failed as worker_lost with the next step, nothing recorded, then a clean run', async () => {
    await fillWithNoise(world, 100);
    gate.closeAfter(50e6);
    const run = await startBackup(world, protection);
    for (const attempt of [1, 2, 3]) {
      await untilRun(world, run, (now) => now.attempt === attempt && now.state === 'running');
      kill9([await untilAttemptProcess(world.platform.pid, run)]);
    }
    gate.open();
    const failed = await untilEnded(world, run);
    expect(failed).toMatchObject({ state: 'failed', attempt: 3, backup: null, error: { code: 'worker_lost' } });
    expect(failed.error?.hint).toMatch(/memory|next attempt/i);
    expect(await backupsOf(world, protection)).toHaveLength(1);
    const status = await statusOf(world, protection);
    expect(status).toMatchObject({ state: 'failing', backups: 1, lastError: { code: 'worker_lost' } });

    expect((await backUp(world, protection)).state).toBe('succeeded');
    expect(await statusOf(world, protection)).toMatchObject({ state: 'stored', backups: 2 });
  }, 180_000);

  it.each(['the platform alone', 'the platform with its PostgreSQL and all children'])(
    'of %s in mid-backup: it comes back and ends the run',
    async (whom) => {
      await fillWithNoise(world, 100);
      const before = await backupsOf(world, protection);
      const stored = await filesOf(protection, 'snapshots');
      const run = await startAndStorePacks();
      const { pid, ended } = world.platform;
      kill9(whom === 'the platform alone' ? [pid] : [pid, ...(await descendants(pid, /./))]);
      await ended;
      expect(await filesOf(protection, 'snapshots')).toEqual(stored);
      gate.open();

      await world.startAgain();
      const end = await untilEnded(world, run);
      // Another attempt makes it good; what is not allowed is green by a killed one. In the cluster the worker is not killed with the
      // process that started it: while it drains it may well bring its attempt to the end.
      const isOutlived = shape.form === 'cluster' && whom === 'the platform alone';
      expect(end).toMatchObject({ state: 'succeeded', attempt: isOutlived ? expect.any(Number) : 2 });
      expect((await readBackup(world, end.backup)).run).toBe(run);
      await expectOnlyRecordedSnapshots();
      expect((await backUp(world, protection)).state).toBe('succeeded');
      for (const id of [end.backup!, ...before.slice(-1).map((older) => older.id)]) {
        const check = await data(backupsVerify({ client: world.platform.client, path: { id }, body: { level: 'DATABASE' } }));
        expect((await untilEnded(world, check.id)).state).toBe('succeeded');
      }
    },
    240_000,
  );

  it('at six random moments: every run ends with an outcome, snapshots are those that were recorded', async () => {
    await fillWithNoise(world, 30);
    let killed = 0;
    for (let round = 0; round < 6; round++) {
      await world.source.query('UPDATE noise SET text = reverse(text) WHERE id % 7 = $1', [round % 7], 'shop');
      const run = await startBackup(world, protection);
      await untilAttemptProcess(world.platform.pid, run);
      await sleep(randomInt(0, 900));
      const child = await attemptProcess(world.platform.pid, run);
      if (child !== undefined) {
        kill9([child]);
        killed++;
      }
      const end = await untilEnded(world, run);
      expect(end.state).toBe('succeeded');
      expect(end.backup).not.toBeNull();
    }
    expect(killed).toBeGreaterThan(1);
    await expectOnlyRecordedSnapshots();
    const check = await offline<CheckReport>(world, protection, 'check', '--level', 'read-data');
    expect(check.data.problems.filter(({ severity }) => severity === 'damage')).toEqual([]);
    const newest = (await backupsOf(world, protection))[0]!;
    expect((await restoreAs(world, newest.id, 'after_the_kills')).state).toBe('succeeded');
    expect(mismatches(await proveTables(world.connection, 'shop'), await proveTables(world.connection, 'after_the_kills'))).toEqual([]);
  }, 240_000);

  it('left its cause in the log of the run', async () => {
    const killed = (await backupsOf(world, protection)).at(-1)!;
    const { data: lines } = await data(runsLog({ client: world.platform.client, path: { id: killed.run! }, query: { limit: 100 } }));
    expect(lines.length).toBeGreaterThan(0);
  });
});

describe('kill -9 of the first start', () => {
  it('leaves a data folder that the next start completes', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'rahat-e2e-first-'));
    await chmod(folder, 0o755);
    const dataFolder = path.join(folder, 'data');
    const ports = { RAHAT_PORT: '0', RAHAT_METRICS_PORT: '0', RAHAT_POSTGRESQL_PORT: '0' };
    try {
      for (const moment of [300, 900, 1800, 3000, 4500]) {
        const child = spawn(process.execPath, [ENTRY], { env: { ...process.env, ...ports, RAHAT_DATA_DIR: dataFolder }, stdio: 'ignore' });
        const ended = once(child, 'exit');
        await sleep(moment);
        kill9([child.pid!, ...(await descendants(child.pid!, /./))]);
        await ended;
      }
      await using platform = await startPlatform({
        dataFolder,
        email: 'owner@example.org',
        password: 'a long enough password',
        environment: ports,
      });
      expect(platform.lines.join('\n')).toContain('setup?token=');
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }, 120_000);
});
