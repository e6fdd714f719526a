import type { Scene } from './scene.js';
import { MINUTE_MS, type StopPlace } from './simulated-machine.js';
import { LEASE_TTL_MS } from './world.js';

/** Of a removal, when its copy is in the trash. */
const AFTER_ITS_COPY: readonly StopPlace[] = [
  { nth: 1, operation: 'put', prefix: 'trash/' },
  { nth: 1, operation: 'stat', prefix: 'trash/' },
  { nth: 1, operation: 'stat', prefix: 'snapshots/' },
  { nth: 1, operation: 'remove', prefix: 'snapshots/' },
];

/** Of snapshots that are taken away while somebody needs them. */
export const TRASH_SCENES: readonly Scene[] = [
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
    name: 'a removal stands still while it is undone, or its snapshot is purged and deleted',
    async play(director) {
      const { random, world } = director;
      const { old } = await director.past({ trashed: false });
      const retention = director.retention();
      const other = director.retention();
      const outwaitUndo = (): Promise<void> => director.sleep(world.terms.undoPeriodMs + MINUTE_MS);
      if (random.chance(0.5)) {
        const undoes = async (): Promise<void> => {
          await director.sleep(random.between(1000, LEASE_TTL_MS / 3));
          await other.undo(old);
          if (random.chance(0.2)) retention.stage.machine.die();
        };
        await director.during(retention, () => retention.trash(old), undoes, random.pick(AFTER_ITS_COPY));
        await outwaitUndo();
        return director.collect();
      }
      const deletes = async (): Promise<void> => {
        await outwaitUndo();
        await director.collect();
        await director.grace();
        await director.collect();
      };
      await director.during(retention, () => retention.trash(old), deletes, director.someCall(7));
      await other.undo(old);
    },
  },
];
