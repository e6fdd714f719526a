import { someContent } from './content.js';
import { FollowerRole } from './follower-role.js';
import { LOG_STREAM, pastEnd } from './past.js';
import type { Hazards } from './simulated-machine.js';
import { HOUR_MS, MINUTE_MS } from './simulated-machine.js';
import {
  collectGarbage,
  commitSnapshot,
  findSomeSnapshot,
  readSnapshot,
  tolerating,
  trashSnapshot,
  undoRemoval,
  writeContent,
} from './work.js';
import type { Stage, World } from './world.js';

type Actor = (stage: Stage) => Promise<void>;

const RESTARTS = 2;

/** Some actors who know nothing of each other, each at its own pace, and whatever goes wrong. */
export function live(world: World, hazards: Hazards): void {
  const { random } = world;
  const cast: Actor[] = [writer, collector, retention, random.pick([writer, follower, reader])!];
  if (random.chance(0.3)) cast.push(random.pick([collector, reader, writer])!);
  for (const actor of cast) start(world, actor, hazards, RESTARTS);
}

/** An actor whose machine dies is started anew on another one some time later. */
function start(world: World, actor: Actor, hazards: Hazards, restarts: number): void {
  const stage = world.stage(hazards);
  actor(stage).catch((error: unknown) => world.ledger.violate(`An actor failed: ${String((error as Error).stack)}`));
  if (restarts > 0)
    void stage.machine.death.then(() => {
      world.timeline.after(world.random.between(0, HOUR_MS), () => start(world, actor, hazards, restarts - 1));
    });
}

/** A backup now and then: the state of a database, of which parts come back. */
const writer: Actor = async (stage) => {
  const { random } = stage.world;
  for (let backup = 0; backup < 2; backup++) {
    await pause(stage, random.between(0, 1.5 * HOUR_MS));
    const content = someContent(random);
    for (let attempt = 1; attempt <= 2; attempt++) {
      if (await tolerating(stage, () => backUp(stage, content))) break;
    }
  }
};

async function backUp(stage: Stage, content: Buffer): Promise<void> {
  const { random } = stage.world;
  await using session = await stage.repository.beginWriting({ writer: `worker-${random.whole(1, 2)}` });
  if (random.chance(0.3)) await pause(stage, random.between(0, 40 * MINUTE_MS));
  const object = await writeContent(stage, session, content);
  if (random.chance(0.3)) await pause(stage, random.between(0, 20 * MINUTE_MS));
  await commitSnapshot(stage, session, object, { id: `backup_${stage.world.nextNumber()}`, content });
}

/** A log from its beginning on, in sessions that are renewed; one that comes after another goes on where that one's last report was. */
const follower: Actor = async (stage) => {
  const { random } = stage.world;
  await pause(stage, random.between(0, 3 * HOUR_MS));
  const blocks = Array.from({ length: 8 }, (_, n) => n);
  const role = new FollowerRole(stage, { stream: LOG_STREAM, blocks }, pastEnd(stage.world.ledger));
  await role.begin();
  for (let commits = 0; commits < 4; commits++) {
    await role.commit(random.whole(1, 2));
    await pause(stage, random.between(0, 7 * MINUTE_MS));
    if (random.chance(0.3)) await role.renew();
  }
  await role.close();
};

const reader: Actor = async (stage) => {
  const { world, repository } = stage;
  await pause(stage, world.random.between(0, 3 * HOUR_MS));
  await tolerating(stage, async () => {
    await using session = await repository.beginReading();
    const readSinceMs = world.timeline.nowMs;
    const found = await findSomeSnapshot(stage);
    if (!found) return;
    if (world.random.chance(0.5)) await pause(stage, world.random.between(0, 2 * HOUR_MS));
    await readSnapshot(stage, session, found, readSinceMs);
  });
};

/** Takes snapshots away, and sometimes brings them back. */
const retention: Actor = async (stage) => {
  const { random, ledger } = stage.world;
  for (let removals = 0; removals < 3; removals++) {
    await pause(stage, random.between(0, HOUR_MS));
    const chosen = random.pick(ledger.standing());
    if (!chosen || !(await trashSnapshot(stage, chosen)) || !random.chance(0.4)) continue;
    await pause(stage, random.between(0, HOUR_MS));
    await undoRemoval(stage, chosen);
  }
};

const collector: Actor = async (stage) => {
  const { random } = stage.world;
  for (let rounds = 0; rounds < 3; rounds++) {
    await pause(stage, random.between(20 * MINUTE_MS, 2 * HOUR_MS));
    await collectGarbage(stage);
  }
};

function pause({ machine }: Stage, ms: number): Promise<void> {
  return new Promise((resolve) => machine.clock.after(ms, resolve));
}
