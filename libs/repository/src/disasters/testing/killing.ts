import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Repository } from '../../repository.js';
import { Random } from '../../simulation/random.js';
import { digests, newRepository, readAll, restore, snapshotFacts } from '../../testing/builders.js';
import { collectAll, HOUR_MS, measurePace, PASSING, reopened, type Place } from './aftermath.js';
import { contentOf, writeContent } from './content.js';
import { Crew, type CrewMember } from './crew.js';
import type { Report } from './crew-orders.js';

/** So many times as long a life as at first gets who achieves nothing. */
const LONGEST_LIVES = 4;
const CREW: ('writer' | 'collector')[] = ['writer', 'writer', 'writer', 'collector'];

/**
 * Kills writers and collectors of one repository at random moments, each replaced at once, and holds the repository to its
 * promises: after each kill, and at the end, when all garbage has to go as well.
 */
export async function killAgainAndAgain({ place, store }: Place, kills: number, seed: number): Promise<void> {
  const random = new Random(seed);
  const repository = await newRepository(store);
  const { paceMs, leaseTtlMs } = await measurePace(place, repository);
  await using crew = new Crew(place, repository, leaseTtlMs);
  let hired = 0;
  const hire = (role: 'writer' | 'collector'): { role: typeof role; member: CrewMember } => {
    const clockOffsetMs = random.pick([-HOUR_MS, 0, HOUR_MS])!;
    return { role, member: crew.hire({ role, seed: seed * 1000 + ++hired, clockOffsetMs }) };
  };
  const posts = CREW.map(hire);
  // A busy machine lets few of them come to a commit: then it goes on, because kills of those who achieve nothing prove nothing.
  const achieved = (): boolean => crew.expected.size > kills / 10;
  for (let kill = 0; kill < kills || (!achieved() && kill < LONGEST_LIVES * kills); kill++) {
    const lives = Math.ceil((kill + 1) / kills);
    await pause(random.between(0, 1.5 * lives * paceMs));
    const post = random.whole(0, posts.length - 1);
    const { role, member } = posts[post]!;
    await crew.kill(member);
    posts[post] = hire(role);
    const [snapshot, content] = random.pick([...crew.expected]) ?? [];
    if (snapshot !== undefined) await oneReadsBack(await reopened(store, repository), crew, snapshot, content!);
  }
  await Promise.all(posts.map(({ member }) => crew.kill(member)));
  expect(achieved()).toBe(true);
  expectOnlyPassingTrouble(crew.reports);

  const next = await reopened(store, repository);
  await backUpAtOnce(next, 1);
  const kept = new Map([...crew.expected, ['backup_1', 1] as const]);
  await allReadBack(next, kept);
  expect(await next.check({ level: 'deep' })).toMatchObject({ healthy: true });

  const removed = [...kept.keys()].filter((_, nth) => nth % 2 === 0);
  for (const snapshot of removed) {
    await next.moveToTrash(snapshot);
    kept.delete(snapshot);
  }
  await collectAll(store, await reopened(store, repository, leaseTtlMs), leaseTtlMs);
  expect(await next.check({ level: 'deep' })).toMatchObject({ healthy: true, orphanPacks: 0, problems: [] });
  await allReadBack(next, kept);
}

async function oneReadsBack(repository: Repository, crew: Crew, snapshot: string, seed: number): Promise<void> {
  const found = await restore(repository, snapshot).then(digests, (error: unknown) => error);
  // Its writer may be removing it by now.
  if (crew.expected.has(snapshot)) expect([snapshot, found]).toEqual([snapshot, digests(contentOf(seed))]);
}

async function allReadBack(repository: Repository, snapshots: ReadonlyMap<string, number>): Promise<void> {
  await using session = await repository.beginReading();
  for (const [snapshot, seed] of snapshots) {
    const found = await readAll(session, await repository.findSnapshot(snapshot));
    expect([snapshot, digests(found)]).toEqual([snapshot, digests(contentOf(seed))]);
  }
}

async function backUpAtOnce(repository: Repository, seed: number): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'the next one' });
  await session.commit(`backup_${seed}`, snapshotFacts(), await writeContent(session, contentOf(seed)));
}

function expectOnlyPassingTrouble(reports: Report[]): void {
  const failures = reports.filter((report) => report.type === 'failed');
  // An undo comes too late where a collector has emptied the trash.
  expect(failures.filter(({ code }) => !PASSING.includes(code) && code !== 'snapshot_not_found')).toEqual([]);
}
