import { FACTS } from './content.js';
import { HOUR_MS, NO_HAZARDS } from './simulated-machine.js';
import { expectContent, findObject, writeAs } from './work.js';
import { LEASE_TTL_MS, type Stage, type World } from './world.js';

/** After each step it is known that every promised chunk has a home; that its bytes are right too is looked at in some schedules. */
const INSPECTED_SHARE = 0.25;
/** Of these, in so many everything is brought to rest and then done again. */
const REPEATED_SHARE = 0.25;
/** Collections until nothing is left to do: an adoption, a condemnation, a rescue, a deletion, and segments that are merged. */
const MOST_COLLECTIONS = 8;

/** When all is over and every listing shows everything. */
export async function inspectSometimes(world: World): Promise<void> {
  const { ledger, timeline, random } = world;
  if (!random.chance(INSPECTED_SHARE)) return;
  const stage = world.stage(NO_HAZARDS);
  let done = false;
  const inspection = async (): Promise<void> => {
    await readEverything(stage);
    if (random.chance(REPEATED_SHARE)) {
      await settle(stage);
      await repeatEverything(stage);
      await readEverything(stage);
    }
    done = true;
  };
  timeline.after(HOUR_MS, () => {
    inspection().catch((error: unknown) => ledger.violate(`The inspection failed: ${String((error as Error).stack)}`));
  });
  await world.run();
  if (!done) ledger.violate('The inspection did not come to its end.');
}

/** What was promised gives the bytes that were backed up. */
async function readEverything(stage: Stage): Promise<void> {
  await using session = await stage.repository.beginReading();
  for (const wanted of stage.world.ledger.standing()) {
    await expectContent(session, await findObject(stage, wanted), wanted, stage);
  }
}

/** repository.md §12: whatever was broken off, collections carry on with it, and have nothing left to do in the end. */
async function settle({ world, repository }: Stage): Promise<void> {
  const { graceMs, undoPeriodMs, listLagMs } = world.terms;
  for (let collections = 0; collections < MOST_COLLECTIONS; collections++) {
    await world.sleep(Math.max(graceMs, undoPeriodMs) + 2 * listLagMs + 2 * LEASE_TTL_MS);
    const before = world.storage.changes;
    await repository.collect({ graceMs, undoPeriodMs });
    if (world.storage.changes === before) return world.ledger.expectTidiness();
  }
  world.ledger.violate(`${MOST_COLLECTIONS} collections with nobody else about still found something to do.`);
}

/** repository.md §13.5: backing up the same again under the same name changes nothing. */
async function repeatEverything(stage: Stage): Promise<void> {
  const { world, repository } = stage;
  for (const { id, content, piece } of world.ledger.standing()) {
    // A log that was merged would stand by itself again.
    if (piece !== undefined) continue;
    const before = world.storage.changes;
    const { objects } = await repository.findSnapshot(id);
    await using session = await repository.beginWriting({ writer: 'worker' });
    await session.commit(id, FACTS, [await writeAs(stage, session, content, objects[0]!)]);
    if (world.storage.changes > before) world.ledger.violate(`Backing up ${id} again changed something.`);
  }
}
