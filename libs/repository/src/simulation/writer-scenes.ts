import { someContent } from './content.js';
import { SHARED_NAME } from './roles.js';
import type { Scene } from './scene.js';
import { MINUTE_MS, type StopPlace } from './simulated-machine.js';
import { LEASE_TTL_MS } from './world.js';

/** Of a commit, the last call before the manifest is put, or nearly so. */
const LOOKS_AT_ITS_LEASE: StopPlace = { nth: 1, operation: 'stat', prefix: 'leases/' };
const LISTS_SNAPSHOTS: StopPlace = { nth: 2, operation: 'list', prefix: 'snapshots/' };

/** Of writers, and of collections that come too near. */
export const WRITER_SCENES: readonly Scene[] = [
  {
    name: 'a writer stands still in its commit while collections condemn and delete',
    async play(director) {
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      await writer.begin();
      await director.moment();
      await director.collect();
      await writer.write();
      // Its lease may live all the while: it renews it until it is about to put its manifest, and is back before it runs out.
      const alive = director.random.chance(0.3);
      if (alive) await director.grace();
      const places = alive ? [LOOKS_AT_ITS_LEASE] : [director.someCall(8), LOOKS_AT_ITS_LEASE];
      await director.during(
        writer,
        writer.commit,
        async () => {
          await (alive ? director.sleep(director.random.between(0, LEASE_TTL_MS / 2)) : director.grace());
          await director.collect();
        },
        director.random.pick(places)!,
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
      if (random.chance(0.4)) {
        // Stopped for longer than its lease lives when it has looked whether its manifest stands, and not put it yet.
        const place = random.pick([
          { nth: 1, operation: 'stat', prefix: 'leases/' },
          { nth: 2, operation: 'stat', prefix: 'snapshots/' },
        ] as const);
        const meanwhile = async (): Promise<void> => {
          await other.commit();
          await director.sleep(random.between(LEASE_TTL_MS, 2 * LEASE_TTL_MS));
        };
        await director.during(one, one.commit, meanwhile, place);
      } else await random.pick(both)!();
      await one.close();
      await other.close();
    },
  },
];
