import { BLOCK_BYTES, contentOf, someContent } from './content.js';
import type { Director, Sequence } from './director.js';
import type { Scene } from './scene.js';
import { MINUTE_MS, type StopPlace } from './simulated-machine.js';
import { LEASE_TTL_MS } from './world.js';

/** Anywhere, or when it has seen what lives and not yet decided what to delete. */
function someCallOfDeletion(director: Director): StopPlace {
  return director.random.chance(0.5) ? director.someCall(40) : { nth: 2, operation: 'list', prefix: 'index/' };
}

/** Of collections that come near each other, or before the listings show what they did. */
export const COLLECTION_SCENES: readonly Scene[] = [
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
        // Without its lease the first one holds nobody up any more, and may not know it.
        if (random.chance(0.5)) await director.sleep(random.between(LEASE_TTL_MS, 3 * LEASE_TTL_MS));
        await director.during(other, other.collect, begins, someCallOfDeletion(director));
        await late.commit();
        await late.close();
      };
      await director.during(one, one.collect, meets, someCallOfDeletion(director));
    },
  },
  {
    name: 'a reader begins between a condemnation and a rescue, and reads after the deletion',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: true });
      const writer = director.writer(old.content);
      await writer.begin();
      await writer.write();
      await director.collect();
      await writer.commit();
      await writer.close();
      const reader = director.reader();
      const begins = async (): Promise<void> => {
        await reader.begin();
        await reader.find(director.world.ledger.reported.get(writer.id));
      };
      const early = random.chance(0.7);
      if (early) await begins();
      await director.grace();
      const [one, other] = [director.collector(), director.collector()];
      if (early) await one.collect();
      else await director.during(one, one.collect, begins, director.someCall(30));
      await director.moment();
      await other.collect();
      await reader.read();
      await reader.close();
    },
  },
  {
    name: 'two collections condemn the two homes of a chunk',
    async play(director) {
      const { ledger, terms } = director.world;
      await director.past({ trashed: false });
      // Both store it, because neither knows of the other.
      const content = contentOf([22, 23]);
      const twins = [director.writer(content, 'one'), director.writer(content, 'two')];
      for (const twin of twins) await twin.begin();
      for (const twin of twins) for (const step of twin.steps.slice(1)) await step();
      await director.grace();
      const writer = director.writer(content);
      await writer.begin();
      await writer.write();
      await director.collect();
      const retention = director.retention();
      for (const id of ['one', 'two']) {
        const chosen = ledger.reported.get(id);
        if (chosen) await retention.trash(chosen);
      }
      await director.sleep(Math.max(terms.undoPeriodMs, terms.graceMs) + MINUTE_MS);
      await director.collect();
      await writer.commit();
      await writer.close();
      await director.moment();
      await director.collect();
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
