import { describe, expect, it } from '@jest/globals';
import { commitRange, follow, listed, logBytes, position, readLog, STREAM } from '../testing/log-builders.js';
import { flip } from '../testing/damage.js';
import { backUp, noise } from '../testing/builders.js';
import { place, reopen, siblings } from '../testing/siblings.js';

const HOUR_MS = 60 * 60_000;
const BOUNDS = [0, 1000, 2000, 3000, 4000, 5000];

describe('a copy of logs', () => {
  it('comes after the snapshots, moves only what is missing, and is read from the target alone', async () => {
    const [source, target] = await siblings();
    await backUp(source.repository, 'backup_1', { rows: noise(20_000) });
    await follow(source.repository, BOUNDS);
    await follow(target.repository, [0, 1000]);
    const plan = await source.repository.copyTo(target.repository, { dryRun: true });
    expect(target.store.names('logs/')).toHaveLength(1);
    const report = await source.repository.copyTo(target.repository);
    expect(report.logs).toEqual({ copied: 4, present: 1, inTrash: 0, chunks: 4, bytes: 4000 });
    expect(plan.logs).toEqual(report.logs);
    expect(report).toMatchObject({
      copied: [{ snapshot: 'backup_1' }],
      failed: [],
      verification: { healthy: true, snapshots: 1, logs: 4 },
    });
    source.store.files.clear();
    const alone = await reopen(target.store);
    expect((await readLog(alone)).equals(logBytes(0, 5000))).toBe(true);
    expect(await alone.check({ level: 'deep' })).toMatchObject({ healthy: true, logs: 5, problems: [] });
  });

  it('knows again what either side has merged since, and leaves in the trash what lies there', async () => {
    const [source, target] = await siblings();
    const bothNow = (ms: number): void => {
      for (const { store } of [source, target]) store.now = () => new Date(Date.parse('2026-11-24T10:00:00.000Z') + ms);
    };
    bothNow(0);
    await follow(source.repository, BOUNDS);
    await source.repository.copyTo(target.repository);
    bothNow(2 * HOUR_MS);
    await target.repository.collect();
    expect(await listed(target.repository.logs())).toEqual([`${position(0)}_${position(5000)}`]);
    expect((await source.repository.copyTo(target.repository)).logs).toMatchObject({ copied: 0, present: 5 });

    await source.repository.collect();
    await follow(source.repository, [5000, 6000]);
    expect((await source.repository.copyTo(target.repository)).logs).toMatchObject({ copied: 1, present: 1 });
    await target.repository.removeLogsBefore(STREAM, position(5000));
    expect((await source.repository.copyTo(target.repository)).logs).toMatchObject({ copied: 0, present: 1, inTrash: 1 });
    expect((await readLog(target.repository)).equals(logBytes(5000, 6000))).toBe(true);
  });

  it('tells of one that is damaged or stands with other bytes, and copies the others', async () => {
    const [source, target] = await siblings();
    await follow(source.repository, [0, 1000, 2000, 3000]);
    const [damaged, conflicting] = source.store.names('logs/') as [string, string];
    await flip(source.store, damaged, 70);
    await using session = await target.repository.beginWriting({ writer: 'another' });
    await commitRange(session, [1000, 2000], {}, noise(1000, 9));
    const report = await source.repository.copyTo(target.repository);
    expect(report.failed).toMatchObject([
      { snapshot: damaged, code: 'repository_damaged' },
      { snapshot: conflicting, code: 'conflict' },
    ]);
    expect(report.logs).toMatchObject({ copied: 1 });
  });

  it('goes by reading and cutting anew to a repository with another identity, and heals what a sibling lost', async () => {
    const [source, sibling] = await siblings();
    const stranger = await place();
    await follow(source.repository, BOUNDS);
    expect((await source.repository.copyTo(stranger.repository, { rechunk: true })).logs).toMatchObject({ copied: 5 });
    expect((await readLog(stranger.repository)).equals(logBytes(0, 5000))).toBe(true);
    expect((await source.repository.copyTo(stranger.repository, { rechunk: true })).logs).toMatchObject({ present: 5 });

    await source.repository.copyTo(sibling.repository);
    sibling.store.files.delete(sibling.store.names('packs/')[0]!);
    const { problems } = await sibling.repository.check({ level: 'structure' });
    const [affected] = problems.flatMap(({ affects }) => affects);
    expect(sibling.store.names('logs/')).toContain(affected?.snapshot);
    expect(await sibling.repository.healFrom(source.repository)).toMatchObject({ healedChunks: 1, remaining: [] });
    expect((await readLog(sibling.repository)).equals(logBytes(0, 5000))).toBe(true);
  });
});
