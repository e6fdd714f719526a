import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStore } from '@rahat/blob-store-local';
import type { Repository } from '../repository.js';
import { digests, newRepository, restore, snapshotFacts } from '../testing/builders.js';
import { collectAll, measurePace, reopened, type Place } from './testing/aftermath.js';
import { contentOf, writeContent } from './testing/content.js';
import { Crew } from './testing/crew.js';
import type { Orders, Report } from './testing/crew-orders.js';

type Moment = NonNullable<Orders['stop']>;
/** Content of which another snapshot, removed in the meantime, holds two thirds: the same `common` and the same `pages`. */
const SEED = 12_000;
const OWN = `backup_${SEED}`;
const REMOVED_SEED = 0;
const KEPT_SEED = 5;
const PATIENCE_MS = 600_000;

const WRITERS: { moment: Moment; outcome: 'fails' | 'commits' }[] = [
  { moment: { moment: 'before', call: 'put', prefix: 'leases/' }, outcome: 'fails' },
  { moment: { moment: 'within', call: 'put', prefix: 'leases/' }, outcome: 'fails' },
  { moment: { moment: 'after', call: 'put', prefix: 'leases/' }, outcome: 'fails' },
  { moment: { moment: 'before', call: 'list', prefix: 'packs/' }, outcome: 'fails' },
  { moment: { moment: 'within', call: 'put', prefix: 'packs/' }, outcome: 'fails' },
  { moment: { moment: 'after', call: 'put', prefix: 'packs/' }, outcome: 'fails' },
  { moment: { moment: 'after', call: 'put', prefix: 'index/' }, outcome: 'fails' },
  { moment: { moment: 'after', call: 'stat', prefix: 'snapshots/' }, outcome: 'fails' },
  { moment: { moment: 'before', call: 'put', prefix: 'snapshots/' }, outcome: 'fails' },
  { moment: { moment: 'within', call: 'put', prefix: 'snapshots/' }, outcome: 'fails' },
  // Committed in time, only not told yet.
  { moment: { moment: 'after', call: 'put', prefix: 'snapshots/' }, outcome: 'commits' },
];

const COLLECTORS: Moment[] = [
  { moment: 'before', call: 'put', prefix: 'collections/' },
  { moment: 'within', call: 'put', prefix: 'collections/' },
  { moment: 'after', call: 'put', prefix: 'collections/' },
  { moment: 'before', call: 'remove', prefix: 'index/' },
  { moment: 'before', call: 'remove', prefix: 'packs/' },
  { moment: 'before', call: 'remove', prefix: 'collections/' },
];

class Trial implements AsyncDisposable {
  private constructor(
    readonly path: string,
    readonly place: Place,
    readonly repository: Repository,
    readonly leaseTtlMs: number,
    readonly crew: Crew,
  ) {}

  /** A snapshot that stays, and one that retention has just taken away. */
  static async begin(leaseTtlMs: number): Promise<Trial> {
    const path = await mkdtemp(join(tmpdir(), 'rahat-stopped-'));
    const settings = { driver: 'local' as const, path };
    const store = new LocalStore(settings);
    const repository = await newRepository(store);
    const trial = new Trial(path, { place: settings, store }, repository, leaseTtlMs, new Crew(settings, repository, leaseTtlMs));
    await trial.backUp('backup_kept', KEPT_SEED);
    await trial.backUp('backup_removed', REMOVED_SEED);
    await repository.moveToTrash('backup_removed');
    return trial;
  }

  async backUp(snapshot: string, seed: number): Promise<void> {
    await using session = await this.repository.beginWriting({ writer: 'worker-1' });
    await session.commit(snapshot, snapshotFacts(), await writeContent(session, contentOf(seed)));
  }

  /** Deletes all that nobody seems to need any more. */
  async collect(): Promise<void> {
    await collectAll(this.place.store, await this.collector(), this.leaseTtlMs);
  }

  async collectOnce(): Promise<void> {
    await (await this.collector()).collect({ graceMs: 2 * this.leaseTtlMs, undoPeriodMs: 0 });
  }

  private collector(): Promise<Repository> {
    return reopened(this.place.store, this.repository, this.leaseTtlMs);
  }

  async expectWhole(snapshots: Record<string, number>): Promise<void> {
    expect(await this.repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
    const listed = await Array.fromAsync(this.repository.snapshots(), ({ id }) => id);
    expect(listed.toSorted()).toEqual(Object.keys(snapshots).toSorted());
    for (const [snapshot, seed] of Object.entries(snapshots))
      expect(digests(await restore(this.repository, snapshot))).toEqual(digests(contentOf(seed)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crew[Symbol.asyncDispose]();
    await rm(this.path, { recursive: true, force: true });
  }
}

async function usualLeaseTtlMs(): Promise<number> {
  await using scratch = await Trial.begin(60_000);
  return (await measurePace(scratch.place.place, scratch.repository)).leaseTtlMs;
}

/** A writer that is stopped while collections delete what only it still counts on, and then goes on. */
async function stopWriter(trial: Trial, stop: Moment): Promise<Report[]> {
  const writer = trial.crew.hire({ role: 'writer', seed: SEED / 1000, rounds: 1, stop });
  await writer.stopped();
  await trial.collect();
  writer.goOn();
  return writer.ended();
}

/** A collector that is stopped, a session that begins meanwhile, and a collection after the first one has gone on. */
async function stopCollector(trial: Trial, stop: Moment): Promise<void> {
  const collector = trial.crew.hire({ role: 'collector', seed: 1, stop });
  await collector.stopped();
  // The collector doesn't know of this session, nor the session of what the collector condemns.
  await using session = await trial.repository.beginWriting({ writer: 'worker-2' });
  const objects = await writeContent(session, contentOf(SEED));
  await pause(3 * trial.leaseTtlMs);
  const before = collector.reports.length;
  collector.goOn();
  await collector.saidMoreThan(before);
  await trial.crew.kill(collector);
  await trial.collectOnce();
  await session.commit(OWN, snapshotFacts(), objects);
}

/** Most of the time of a trial is waiting, so all go on at once. */
function trialsOf<T>(moments: Moment[], run: (trial: Trial, moment: Moment) => Promise<T>): (moment: Moment) => Promise<[Trial, T]> {
  let trials: Map<Moment, Promise<[Trial, T]>>;
  const begun: Trial[] = [];
  beforeAll(async () => {
    const leaseTtlMs = await usualLeaseTtlMs();
    const begin = async (moment: Moment): Promise<[Trial, T]> => {
      const trial = await Trial.begin(leaseTtlMs);
      begun.push(trial);
      return [trial, await run(trial, moment)];
    };
    trials = new Map(moments.map((moment) => [moment, begin(moment)]));
    trials.forEach((trial) => trial.catch(() => undefined));
  });
  afterAll(async () => {
    await Promise.allSettled(trials.values());
    for (const trial of begun) await trial[Symbol.asyncDispose]();
  });
  return (moment) => trials.get(moment)!;
}

const named = ({ moment, call, prefix }: Moment): string => `${moment} a ${call} of ${prefix}`;

describe('a writer that is stopped for longer than its lease lives, while collections run', () => {
  const trials = trialsOf(
    WRITERS.map(({ moment }) => moment),
    stopWriter,
  );

  it.each(WRITERS.map(({ moment, outcome }) => [outcome, named(moment), moment] as const))(
    '%s where that was %s',
    async (outcome, _, moment) => {
      const [trial, reports] = await trials(moment);
      // A call that it was stopped in takes too long as well.
      const failed = { type: 'failed', code: expect.stringMatching(/^(lease_lost|storage_unreachable)$/) };
      const committed = { type: 'committed', snapshot: OWN };
      expect(reports[0]).toEqual(expect.objectContaining(outcome === 'fails' ? failed : committed));
      const own: Record<string, number> = outcome === 'fails' ? {} : { [OWN]: SEED };
      await trial.expectWhole({ ...own, backup_kept: KEPT_SEED });
      await trial.backUp('backup_next', SEED);
      await trial.expectWhole({ ...own, backup_kept: KEPT_SEED, backup_next: SEED });
    },
    PATIENCE_MS,
  );
});

describe('a collector that is stopped for longer than its lease lives, while a backup begins', () => {
  const trials = trialsOf(COLLECTORS, stopCollector);

  it.each(COLLECTORS.map((moment) => [named(moment), moment] as const))(
    'breaks nothing where that was %s',
    async (_, moment) => {
      const [trial] = await trials(moment);
      await trial.expectWhole({ backup_kept: KEPT_SEED, [OWN]: SEED });
      await trial.collect();
      await trial.expectWhole({ backup_kept: KEPT_SEED, [OWN]: SEED });
    },
    PATIENCE_MS,
  );
});
