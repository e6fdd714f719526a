import { BLOCK_BYTES, someContent } from './content.js';
import { SHARED_NAME, type Director, type Sequence } from './director.js';
import { MINUTE_MS, type StopPlace } from './simulated-machine.js';

export interface Scene {
  /** What goes on, in a few words. */
  name: string;
  listings?: 'lag';
  /** Time during which a removal can be undone. */
  undo?: 'long';
  play(director: Director): Promise<void>;
}

const LISTS_SNAPSHOTS: StopPlace = { nth: 2, operation: 'list', prefix: 'snapshots/' };

/** Anywhere, or when it has seen what lives and not yet decided what to delete. */
function someCallOfDeletion(director: Director): StopPlace {
  return director.random.chance(0.5) ? director.someCall(40) : { nth: 2, operation: 'list', prefix: 'index/' };
}

/**
 * Situations in which the protocol's rules matter (repository.md §7, §8). Who, where and how long is chosen by the seed, so that
 * each is played in very many ways: what a rule forbids happens in some of them as soon as the rule is broken.
 */
export const SCENES: readonly Scene[] = [
  {
    name: 'a writer stands still in its commit while collections condemn and delete',
    async play(director) {
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      await writer.begin();
      await director.moment();
      await director.collect();
      await writer.write();
      const place = director.random.pick([director.someCall(8), { nth: 1, operation: 'stat', prefix: 'leases/' }] as const);
      await director.during(
        writer,
        writer.commit,
        async () => {
          await director.grace();
          await director.collect();
        },
        place,
      );
      await writer.close();
    },
  },
  {
    name: 'a writer stands still while it begins, and collections condemn and delete',
    async play(director) {
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      const early = director.random.chance(0.5);
      if (!early) {
        await director.collect();
        await director.grace();
      }
      const collections = async (): Promise<void> => {
        if (early) {
          await director.collect();
          await director.grace();
        }
        await director.collect();
      };
      const place = director.random.pick([director.someCall(10), { nth: 1, operation: 'list', prefix: 'packs/' }] as const);
      await director.during(writer, writer.begin, collections, place);
      await writer.write();
      await writer.commit();
      await writer.close();
    },
  },
  {
    name: 'a writer stands still while it renews its lease',
    async play(director) {
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      await writer.begin();
      await writer.write();
      await director.collect();
      const renewal = { nth: director.random.whole(1, 4), prefix: 'leases/' };
      await director.during(
        writer,
        () => director.sleep(director.random.between(5 * MINUTE_MS, 20 * MINUTE_MS)),
        async () => {
          await director.grace();
          await director.collect();
        },
        renewal,
      );
      await writer.commit();
      await writer.close();
    },
  },
  {
    name: 'a writer is at work all the time',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      const collector = director.collector();
      const end = async (): Promise<void> => {
        await writer.commit();
        await writer.close();
      };
      if (random.chance(0.5)) await director.collect();
      await writer.begin();
      await director.moment();
      await director.collect();
      await writer.write();
      await director.grace();
      const endings = [
        () => director.during(collector, collector.collect, end, random.pick([director.someCall(25), LISTS_SNAPSHOTS])),
        () => director.during(writer, end, collector.collect),
        () => collector.collect().then(end),
        () => end().then(collector.collect),
        async () => void (await Promise.all([collector.collect(), director.sleep(random.between(0, 8000)).then(end)])),
      ];
      await random.pick(endings)!();
    },
  },
  {
    name: 'listings lag, and collections follow each other quickly',
    listings: 'lag',
    async play(director) {
      const { random } = director;
      const { listLagMs } = director.world.terms;
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      const soon = (): Promise<void> => director.sleep(random.between(0, listLagMs / 4));
      const begins = async (): Promise<void> => {
        await soon();
        await writer.begin();
        await writer.write();
      };
      const first = director.collector();
      const collections = { nth: 1, operation: 'put', prefix: 'collections/' } as const;
      if (random.chance(0.5)) await director.during(first, first.collect, begins, collections);
      else await Promise.all([first.collect(), begins()]);
      if (random.chance(0.5)) await director.sleep(random.between(0, listLagMs / 4));
      else await director.grace();
      if (random.chance(0.5)) await writer.commit().then(writer.close);
      await director.collect();
      await writer.commit();
      await writer.close();
    },
  },
  {
    name: 'listings lag, and a collection is looked at as soon as it is listed',
    listings: 'lag',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      const first = director.collector();
      const begins = async (): Promise<void> => {
        await writer.begin();
        await writer.write();
      };
      await director.during(first, first.collect, begins, { nth: 1, operation: 'put', prefix: 'collections/' });
      await director.sleep(random.between(0, director.world.terms.listLagMs));
      await director.collect();
      await writer.commit();
      await writer.close();
    },
  },
  {
    name: 'an undo stands still while its snapshot is purged and deleted',
    async play(director) {
      const { old } = await director.past({ trashed: true });
      const retention = director.retention();
      const early = director.random.chance(0.3);
      await director.during(
        retention,
        () => retention.undo(old),
        async () => {
          await director.collect();
          await director.grace();
          if (early) retention.stage.machine.thaw();
          await director.collect();
        },
        director.random.pick([director.someCall(7), { nth: 2, operation: 'stat', prefix: 'leases/' }] as const),
      );
      await director.collect();
    },
  },
  {
    name: 'a snapshot comes back from the trash between two listings',
    undo: 'long',
    async play(director) {
      const { old } = await director.past({ trashed: false });
      const retention = director.retention();
      const place = (): { nth: number; operation: 'list'; prefix: string } => ({
        nth: 1,
        operation: 'list',
        prefix: director.random.pick(['snapshots/', 'trash/'])!,
      });
      for (let round = 0; round < 2; round++) {
        await retention.trash(old);
        await director.moment();
        const collector = director.collector();
        await director.during(collector, collector.collect, () => retention.undo(old), place());
        await director.grace();
      }
      await director.collect();
    },
  },
  {
    name: 'a removal may still be undone after collections',
    undo: 'long',
    async play(director) {
      const { old } = await director.past({ trashed: false });
      const retention = director.retention();
      await retention.trash(old);
      await director.moment();
      await director.collect();
      if (director.random.chance(0.7)) {
        await director.grace();
        await director.collect();
      }
      await retention.undo(old);
    },
  },
  {
    name: 'a reader is at work while its snapshot is purged and deleted',
    async play(director) {
      const { random } = director;
      const { old, kept } = await director.past({ trashed: false });
      const reader = director.reader();
      const retention = director.retention();
      const wanted = random.chance(0.7) ? old : kept;
      const reads = async (): Promise<void> => {
        await reader.begin();
        await reader.find(wanted);
      };
      const early = random.chance(0.7);
      if (early) await reads();
      await retention.trash(old);
      await director.sleep(director.world.terms.undoPeriodMs + MINUTE_MS);
      if (!early) await reads();
      await director.collect();
      await director.grace();
      if (random.chance(0.6)) await director.collect().then(reader.read);
      else await director.during(reader, reader.read, () => director.collect(), director.someCall(4));
      await reader.close();
    },
  },
  {
    name: 'two collectors are at work at once',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      const [one, other] = [director.collector(), director.collector()];
      if (random.chance(0.4)) await writer.begin().then(writer.write);
      await director.collect();
      await writer.commit();
      await writer.close();
      await director.grace();
      const third = director.writer(random.chance(0.5) ? old.content : someContent(random));
      const backUp = async (): Promise<void> => {
        for (const step of third.steps) await step();
      };
      const meanwhile = [
        () => other.collect(),
        () => director.during(other, other.collect, backUp, director.someCall(30)),
        async () => {
          await backUp();
          await other.collect();
        },
      ];
      await director.during(one, one.collect, random.pick(meanwhile)!, director.someCall(30));
      const last = director.writer(old.content);
      for (const step of last.steps) await step();
    },
  },
  {
    name: 'two collectors meet, and a writer begins between their deletions',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: true });
      const part = old.content.subarray(0, BLOCK_BYTES);
      const early = director.writer(part);
      await early.begin();
      await early.write();
      await director.collect();
      // Lives in a condemned pack from now on.
      await early.commit();
      await early.close();
      await director.grace();
      const [one, other] = [director.collector(), director.collector()];
      const [writer, late] = [director.writer(part), director.writer(old.content)];
      const begins = async (): Promise<void> => {
        one.stage.machine.thaw();
        await director.sleep(random.between(0, MINUTE_MS));
        await late.begin();
        await late.write();
      };
      const meets = async (): Promise<void> => {
        for (const step of writer.steps) await step();
        await director.during(other, other.collect, begins, someCallOfDeletion(director));
        await late.commit();
        await late.close();
      };
      await director.during(one, one.collect, meets, someCallOfDeletion(director));
    },
  },
  {
    name: 'two workers commit under the same name',
    async play(director) {
      const { random } = director;
      const content = someContent(random);
      // Without conditional puts nothing tells two contents apart that are put at the same moment.
      const same = !director.world.terms.conditionalPut || random.chance(0.3);
      const [one, other] = [director.writer(content, SHARED_NAME), director.writer(same ? content : someContent(random), SHARED_NAME)];
      for (const worker of [one, other]) await worker.begin().then(worker.write);
      const both = [
        () => director.during(one, one.commit, other.commit),
        async () => void (await Promise.all([one.commit(), director.sleep(random.between(0, 1000)).then(other.commit)])),
        () => one.commit().then(other.commit),
      ];
      await random.pick(both)!();
      await one.close();
      await other.close();
    },
  },
  {
    name: 'everybody does everything in some order',
    async play(director) {
      const { random } = director;
      const { old, kept } = await director.past({ trashed: random.chance(0.7) });
      const writer = director.writer(old.content);
      const [one, other] = [director.collector(), director.collector()];
      const retention = director.retention();
      const reader = director.reader();
      const sequences: Sequence[] = [
        { role: writer, steps: writer.steps },
        { role: one, steps: [one.collect, one.collect] },
      ];
      if (random.chance(0.4)) sequences.push({ role: other, steps: [other.collect] });
      if (random.chance(0.4)) {
        const chosen = random.pick([old, kept])!;
        sequences.push({ role: retention, steps: [() => retention.trash(chosen), () => retention.undo(chosen)] });
      }
      if (random.chance(0.3)) sequences.push({ role: reader, steps: reader.steps });
      await director.interleave(...sequences);
    },
  },
];
