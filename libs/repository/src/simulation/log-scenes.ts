import type { Director } from './director.js';
import { place, type FollowerRole, type SimulatedLog } from './follower-role.js';
import { LOG_STREAM, pastEnd } from './past.js';
import type { Scene } from './scene.js';
import { HOUR_MS, MINUTE_MS, type StopPlace } from './simulated-machine.js';
import { LEASE_TTL_MS } from './world.js';

/** Of a commit, when all that it needs is stored. */
const IN_ITS_COMMIT: readonly StopPlace[] = [
  { nth: 1, operation: 'stat', prefix: 'leases/' },
  { nth: 1, operation: 'put', prefix: 'logs/' },
  { nth: 1, operation: 'stat', prefix: 'logs/' },
  { nth: 1, operation: 'put', prefix: 'index/' },
];
/** Of a collection that merges. */
const IN_ITS_MERGE: readonly StopPlace[] = [
  { nth: 1, operation: 'list', prefix: 'logs/' },
  { nth: 1, operation: 'get', prefix: 'logs/' },
  { nth: 1, operation: 'put', prefix: 'logs/' },
  { nth: 1, operation: 'stat', prefix: 'logs/' },
  { nth: 1, operation: 'remove', prefix: 'logs/' },
  { nth: 3, operation: 'remove', prefix: 'logs/' },
];

/** The log of long ago, and what the server writes after that: mostly what an old backup holds too. */
function logOf({ random, world }: Director, content: Buffer): { log: SimulatedLog; at: number } {
  const blocks = [...content.toString('latin1').matchAll(/block (\d+) /g)].map(([, number]) => Number(number));
  const next = [...new Set(blocks)];
  const at = pastEnd(world.ledger);
  const rest = Array.from({ length: 12 }, (_, i) => (random.chance(0.8) ? next[i % next.length]! : random.whole(0, 23)));
  return { log: { stream: LOG_STREAM, blocks: [...Array<number>(at).fill(0), ...rest] }, at };
}

function someBlocks({ random }: Director): number {
  return random.whole(1, 3);
}

/** Ends as it began: the next session is there before the old one goes. */
async function follow(director: Director, follower: FollowerRole, commits: number): Promise<void> {
  for (let commit = 0; commit < commits; commit++) {
    await follower.commit(someBlocks(director));
    if (director.random.chance(0.4)) await director.sleep(director.random.between(0, 5 * MINUTE_MS));
    if (director.random.chance(0.3)) await follower.renew();
  }
}

/** Until logs that were committed now may be merged. */
function untilSettled(director: Director): Promise<void> {
  return director.sleep(2 * LEASE_TTL_MS + director.random.between(MINUTE_MS, HOUR_MS));
}

/** Of followers of logs, and of collections that merge what they commit. */
export const LOG_SCENES: readonly Scene[] = [
  {
    name: 'a follower stands still in a commit while collections condemn and delete',
    past: 'logs',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: true });
      const { log, at } = logOf(director, old.content);
      const follower = director.follower(log, at);
      await follower.begin();
      if (random.chance(0.5)) await director.collect();
      await follower.commit(1);
      const collections = async (): Promise<void> => {
        await director.collect();
        await director.grace();
        await director.collect();
      };
      await director.during(follower, () => follower.commit(someBlocks(director)), collections, random.pick(IN_ITS_COMMIT));
      await follow(director, follower, 2);
      await follower.close();
      await untilSettled(director);
      await director.collect();
    },
  },
  {
    name: 'two followers of one stream are at work at once, because a fence came late',
    past: 'logs',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: random.chance(0.5) });
      const { log, at } = logOf(director, old.content);
      const [one, other] = [director.follower(log, at), director.follower(log, at)];
      await one.begin();
      if (random.chance(0.5)) await one.commit(someBlocks(director));
      const next = async (): Promise<void> => {
        other.at = one.at;
        await other.begin();
        await follow(director, other, random.whole(1, 4));
        if (random.chance(0.4)) await director.grace().then(() => director.collect());
      };
      await director.during(one, () => one.commit(someBlocks(director)), next, random.pick([...IN_ITS_COMMIT, director.someCall(6)]));
      await Promise.all([follow(director, one, 2), follow(director, other, 2)]);
      await one.close();
      await other.close();
      for (let collections = 0; collections < 2; collections++) {
        await untilSettled(director);
        await director.collect();
      }
    },
  },
  {
    name: 'a collection stands still while it merges logs, and another one, a follower and a reader come by',
    past: 'logs',
    async play(director) {
      const { random } = director;
      const { old } = await director.past({ trashed: random.chance(0.5) });
      const { log, at } = logOf(director, old.content);
      const follower = director.follower(log, at);
      const collector = director.collector();
      const reader = director.reader();
      const wanted = random.pick([...director.world.ledger.reported.values()].filter(({ piece }) => piece !== undefined));
      const others = async (): Promise<void> => {
        await reader.begin();
        const steps = [
          () => follower.begin().then(() => follow(director, follower, 2)),
          () => director.collect(),
          () => reader.find(wanted),
        ].sort(() => random.unit() - 0.5);
        for (const step of steps) if (random.chance(0.8)) await step();
        if (random.chance(0.3)) await director.grace().then(() => director.collect());
        if (random.chance(0.3)) collector.stage.machine.die();
      };
      await director.during(collector, collector.collect, others, random.pick([...IN_ITS_MERGE, director.someCall(40)]));
      await reader.read();
      await reader.close();
      await follower.close();
      await director.grace();
      await director.collect();
    },
  },
  {
    name: 'logs are taken away while they are followed, merged and brought back',
    past: 'logs',
    async play(director) {
      const { random, world } = director;
      const { old } = await director.past({ trashed: random.chance(0.5) });
      const { log, at } = logOf(director, old.content);
      const follower = director.follower(log, at);
      const [retention, collector] = [director.retention(), director.collector()];
      const chosen = random.pick([...world.ledger.standing()].filter(({ piece }) => piece !== undefined))!;
      const takesAway = random.chance(0.5)
        ? () => retention.trash(chosen)
        : () => retention.removeLogsBefore(LOG_STREAM, place(random.whole(1, at)));
      await follower.begin();
      const meanwhile = async (): Promise<void> => {
        await takesAway();
        await follow(director, follower, 1);
        if (random.chance(0.5)) await retention.undo(chosen);
      };
      await director.during(collector, collector.collect, meanwhile, random.pick([...IN_ITS_MERGE, director.someCall(40)]));
      await follower.close();
      await director.sleep(world.terms.undoPeriodMs + MINUTE_MS);
      await director.collect();
      if (random.chance(0.5)) await retention.undo(chosen);
      await director.grace();
      await director.collect();
    },
  },
];
