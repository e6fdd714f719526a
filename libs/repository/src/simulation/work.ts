import { RahatError } from '@rahat/contracts';
import type { ReadSession, WriteSession } from '../repository.js';
import type { Manifest, StoredObject } from '../snapshots/manifest.js';
import { logPlace } from '../logs/log-names.js';
import { BLOCK_BYTES, chunkIds, FACTS } from './content.js';
import { pieceOf } from './known-logs.js';
import type { ReportedSnapshot } from './ledger.js';
import { MINUTE_MS } from './simulated-machine.js';
import { LEASE_TTL_MS, TINY_FRAME_BYTES, type Stage } from './world.js';

/** Of what is read from a source at once. */
const PIECE_BYTES = 16 * BLOCK_BYTES;
/**
 * repository.md §13.8, where memory is tiny: seven windows with two threads, six frames in lanes and on their way to a pack, five packs
 * with a frame each, and the piece at hand.
 */
const MOST_UNSTORED_BYTES = 18 * TINY_FRAME_BYTES + PIECE_BYTES;
/** Frames that are held ahead, with the keys of their packs; beyond what is read itself, which needs half as much again for its recipe. */
const MOST_AHEAD_BYTES = 4096;

export function writeContent(stage: Stage, session: WriteSession, content: Buffer): Promise<StoredObject> {
  const { random } = stage.world;
  const rows = random.chance(0.5) ? undefined : content.length / BLOCK_BYTES;
  return writeAs(stage, session, content, { key: `rows/${stage.world.nextNumber()}`, rows });
}

export function writeAs(
  { world, keys }: Stage,
  session: WriteSession,
  content: Buffer,
  { key, rows }: Pick<StoredObject, 'key' | 'rows'>,
): Promise<StoredObject> {
  const description = { key, kind: 'rows', order: 0, class: 'rows' } as const;
  const source = async function* (): AsyncGenerator<Buffer> {
    let unstored: string[] = [];
    for (let at = 0; at < content.length; at += PIECE_BYTES) {
      const piece = content.subarray(at, at + PIECE_BYTES);
      if (world.terms.tinyMemory) {
        unstored = [...unstored, ...chunkIds(keys, piece)].filter((chunk) => !world.ledger.isStored(chunk));
        if (unstored.length * BLOCK_BYTES > MOST_UNSTORED_BYTES) world.ledger.violate(`A writer held ${unstored.length} chunks at once.`);
      }
      yield piece;
    }
  };
  return session.writeObject(description, source(), rows === undefined ? undefined : () => ({ rows }));
}

/** How much the storage was changed: in all, and by this machine. */
interface Tally {
  all: number;
  own: number;
}

export function tally({ world, machine }: Stage): Tally {
  return { all: world.storage.changes, own: machine.changes };
}

const REPEATED_SHARE = 0.25;

/**
 * repository.md §13.5: what has just succeeded changes nothing when it is done again, unless somebody else has changed something since
 * it was `begun`.
 */
export async function repeatSometimes(stage: Stage, what: string, begun: Tally, work: () => Promise<unknown>): Promise<void> {
  const { world, machine } = stage;
  if (!world.random.chance(REPEATED_SHARE)) return;
  const own = machine.changes;
  const areAlone = (): boolean => world.storage.changes - begun.all === machine.changes - begun.own;
  await tolerating(stage, work, () => !areAlone());
  if (areAlone() && machine.changes > own) world.ledger.violate(`What was done again changed something: ${what}.`);
}

/** Commits, and notes the promise. */
export async function commitSnapshot(
  stage: Stage,
  session: WriteSession,
  object: StoredObject,
  told: { id: string; content: Buffer },
): Promise<void> {
  const { id, content } = told;
  const { world, keys } = stage;
  const { recipe } = object;
  const recipeChunks = 'recipeChunks' in recipe ? recipe.recipeChunks.map(([chunk]) => chunk) : [];
  const chunks = [...new Set([...recipeChunks, ...chunkIds(keys, content)])];
  world.ledger.attempt(id, stage.machine.lease, chunks);
  const begun = tally(stage);
  const attempt = (): Promise<Manifest> => session.commit(id, FACTS, [object]);
  await attempt().catch((error: unknown) => {
    // The same session may repeat what wasn't answered.
    if (error instanceof RahatError && error.code === 'storage_unreachable' && world.random.chance(0.5)) return attempt();
    throw error;
  });
  world.ledger.report({ id, content, chunks, purged: false, reportedAtMs: world.timeline.nowMs });
  await repeatSometimes(stage, `the commit of ${id}`, begun, attempt);
}

/** One that stands, as a reader finds it. */
export interface FoundSnapshot {
  wanted: ReportedSnapshot;
  object: StoredObject;
}

export async function findSomeSnapshot(
  stage: Stage,
  wanted = stage.world.random.pick(stage.world.ledger.standing()),
): Promise<FoundSnapshot | undefined> {
  if (!wanted) return undefined;
  const { listLagMs } = stage.world.terms;
  const isListed = stage.world.timeline.nowMs - wanted.reportedAtMs >= listLagMs;
  let object: StoredObject | undefined;
  await tolerating(
    stage,
    async () => (object = await findObject(stage, wanted)),
    (code) => code === 'snapshot_not_found' && (wanted.trashedAtMs !== undefined || !isListed),
  );
  return object && { wanted, object };
}

export async function findObject({ repository }: Stage, { id, piece }: ReportedSnapshot): Promise<StoredObject> {
  if (piece === undefined) return (await repository.findSnapshot(id)).objects[0]!;
  for await (const listing of repository.logs({ stream: logPlace(id).stream })) {
    if (!listing.ok) throw listing.error;
    const found = listing.manifest.objects.find((object) => pieceOf(object) === piece);
    if (found) return found;
  }
  throw new RahatError('snapshot_not_found', `Log ${id} is in no manifest that is listed.`);
}

/** Who reads since `readSinceMs`, found the snapshot after that, and is awake must get what was promised. */
export async function readSnapshot(
  stage: Stage,
  session: ReadSession,
  { wanted, object }: FoundSnapshot,
  readSinceMs: number,
): Promise<void> {
  const { world } = stage;
  const { listLagMs } = world.terms;
  // Where listings lag, the segments of a new snapshot are found some time after it.
  const isFresh = readSinceMs - wanted.reportedAtMs < 2 * listLagMs;
  await tolerating(
    stage,
    () => expectContent(session, object, wanted, stage),
    // Who was suspended or cut off for longer than a lease lives reads without protection, and gets an error; never wrong bytes.
    () => !isProtected(stage) || isFresh || world.ledger.mayBeGone(wanted, readSinceMs + listLagMs),
  );
}

function isProtected({ machine, world }: Stage): boolean {
  const hasLost = machine.lease !== undefined && world.ledger.leases.hasRunOut(machine.lease);
  return !hasLost && !machine.stoodStillFor(LEASE_TTL_MS / 2);
}

export async function expectContent(session: ReadSession, object: StoredObject, wanted: ReportedSnapshot, stage: Stage): Promise<void> {
  const { world, machine } = stage;
  const parts: Buffer[] = [];
  const before = machine.fetchedBytes;
  let readBytes = 0;
  for await (const part of session.readObject(object, { verifyChunks: true })) {
    parts.push(Buffer.from(part));
    readBytes += part.length;
    // Where listings lag, the footers of packs that the index doesn't name yet are read besides.
    if (!world.terms.tinyMemory || world.terms.listLagMs > 0) continue;
    // What is fetched meanwhile is fetched ahead.
    await world.sleep(MINUTE_MS);
    const aheadBytes = machine.fetchedBytes - before - 1.5 * readBytes;
    if (aheadBytes > MOST_AHEAD_BYTES) world.ledger.violate(`A reader held ${aheadBytes} bytes that nobody had asked for.`);
  }
  if (!Buffer.concat(parts).equals(wanted.content)) world.ledger.violate(`Snapshot ${wanted.id} gave other bytes than were backed up.`);
}

/** Whether the snapshot was taken away. */
export async function trashSnapshot(stage: Stage, chosen: ReportedSnapshot): Promise<boolean> {
  const begun = tally(stage);
  const remove = (): Promise<void> => {
    // A removal that is repeated can be undone no longer than the first one.
    chosen.trashedAtMs ??= stage.world.timeline.nowMs;
    return stage.repository.moveToTrash(chosen.id);
  };
  // A log may have been merged into another one.
  const mayBeGone = (): boolean => chosen.purged || chosen.piece !== undefined;
  const removed = await tolerating(stage, remove, (code) => code === 'snapshot_not_found' && mayBeGone());
  if (removed) await repeatSometimes(stage, `the removal of ${chosen.id}`, begun, remove);
  return removed;
}

/** All of the stream up to the position, under whatever names it stands. */
export async function removeLogs(stage: Stage, stream: string, position: string): Promise<void> {
  const { ledger, timeline } = stage.world;
  for (const log of ledger.reported.values()) {
    if (log.piece !== undefined && logPlace(log.id).last <= position) log.trashedAtMs ??= timeline.nowMs;
  }
  await tolerating(
    stage,
    () => stage.repository.removeLogsBefore(stream, position),
    // Merged since it was listed.
    (code) => code === 'snapshot_not_found',
  );
}

/** Whether it is back. */
export async function undoRemoval(stage: Stage, chosen: ReportedSnapshot): Promise<boolean> {
  const { world, repository } = stage;
  const begun = tally(stage);
  const undo = async (): Promise<void> => {
    await repository.restoreFromTrash(chosen.id);
    world.ledger.reportUndo(chosen);
  };
  // A conflict: the removal is under way.
  const isBack = await tolerating(stage, undo, (code) => code === 'snapshot_not_found' || code === 'conflict');
  if (isBack) await repeatSometimes(stage, `the undo of the removal of ${chosen.id}`, begun, undo);
  return isBack;
}

export function collectGarbage(stage: Stage): Promise<boolean> {
  const { graceMs, undoPeriodMs } = stage.world.terms;
  return tolerating(
    stage,
    () => stage.repository.collect({ graceMs, undoPeriodMs }),
    // Logs were merged while it looked.
    (code) => code === 'conflict',
  );
}

/** The codes with which work may fail because of the world; everything else is the engine's fault. */
const WORLDLY = new Set(['storage_unreachable', 'lease_lost', 'cancelled']);

/** Whether it succeeded. */
export async function tolerating(
  stage: Stage,
  work: () => Promise<unknown>,
  isFine: (code: string) => boolean = () => false,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (!WORLDLY.has(code) && !isFine(code)) stage.world.ledger.violate(`Unexpected ${code}: ${message}`);
    return false;
  }
}
