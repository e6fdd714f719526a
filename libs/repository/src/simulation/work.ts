import { RahatError } from '@rahat/contracts';
import type { ReadSession, WriteSession } from '../repository.js';
import type { Manifest, StoredObject } from '../snapshots/manifest.js';
import { BLOCK_BYTES, chunkIds, FACTS } from './content.js';
import type { ReportedSnapshot } from './ledger.js';
import { LEASE_TTL_MS, type Stage } from './world.js';

export async function writeContent({ world }: Stage, session: WriteSession, content: Buffer): Promise<StoredObject> {
  const description = { key: `rows/${world.nextNumber()}`, kind: 'rows', order: 0, class: 'rows' } as const;
  const source = async function* (): AsyncGenerator<Buffer> {
    yield content;
  };
  return session.writeObject(description, source(), world.random.chance(0.5) ? undefined : () => ({ rows: content.length / BLOCK_BYTES }));
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
  const attempt = (): Promise<Manifest> => session.commit(id, FACTS, [object]);
  await attempt().catch((error: unknown) => {
    // The same session may repeat what wasn't answered.
    if (error instanceof RahatError && error.code === 'storage_unreachable' && world.random.chance(0.5)) return attempt();
    throw error;
  });
  world.ledger.report({ id, content, chunks, purged: false, reportedAtMs: world.timeline.nowMs });
}

/** One that stands, as a reader finds it. */
export interface FoundSnapshot {
  wanted: ReportedSnapshot;
  manifest: Manifest;
}

export async function findSomeSnapshot(
  stage: Stage,
  wanted = stage.world.random.pick(stage.world.ledger.standing()),
): Promise<FoundSnapshot | undefined> {
  if (!wanted) return undefined;
  const { listLagMs } = stage.world.terms;
  const isListed = stage.world.timeline.nowMs - wanted.reportedAtMs >= listLagMs;
  let manifest: Manifest | undefined;
  await tolerating(
    stage,
    async () => (manifest = await stage.repository.findSnapshot(wanted.id)),
    (code) => code === 'snapshot_not_found' && (wanted.trashedAtMs !== undefined || !isListed),
  );
  return manifest && { wanted, manifest };
}

/** Who reads since `readSinceMs`, found the snapshot after that, and is awake must get what was promised. */
export async function readSnapshot(
  stage: Stage,
  session: ReadSession,
  { wanted, manifest }: FoundSnapshot,
  readSinceMs: number,
): Promise<void> {
  const { world, machine } = stage;
  const { listLagMs } = world.terms;
  // Where listings lag, the segments of a new snapshot are found some time after it.
  const isFresh = readSinceMs - wanted.reportedAtMs < 2 * listLagMs;
  await tolerating(
    stage,
    () => expectContent(session, manifest, wanted, stage),
    // Who was suspended for longer than a lease lives reads without protection, and is told so by an error; never by wrong bytes.
    () => machine.stoodStillFor(LEASE_TTL_MS / 2) || isFresh || world.ledger.mayBeGone(wanted, readSinceMs + listLagMs),
  );
}

export async function expectContent(session: ReadSession, manifest: Manifest, wanted: ReportedSnapshot, { world }: Stage): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of session.readObject(manifest.objects[0]!, { verifyChunks: true })) parts.push(Buffer.from(part));
  if (!Buffer.concat(parts).equals(wanted.content)) world.ledger.violate(`Snapshot ${wanted.id} gave other bytes than were backed up.`);
}

/** Whether the snapshot was taken away. */
export function trashSnapshot(stage: Stage, chosen: ReportedSnapshot): Promise<boolean> {
  // A removal that is repeated can be undone no longer than the first one.
  chosen.trashedAtMs ??= stage.world.timeline.nowMs;
  return tolerating(
    stage,
    () => stage.repository.moveToTrash(chosen.id),
    (code) => code === 'snapshot_not_found' && chosen.purged,
  );
}

/** Whether it is back. */
export function undoRemoval(stage: Stage, chosen: ReportedSnapshot): Promise<boolean> {
  const { world, repository } = stage;
  return tolerating(
    stage,
    async () => {
      await repository.restoreFromTrash(chosen.id);
      world.ledger.reportUndo(chosen);
    },
    (code) => code === 'snapshot_not_found',
  );
}

export function collectGarbage(stage: Stage): Promise<boolean> {
  const { graceMs, undoPeriodMs } = stage.world.terms;
  return tolerating(stage, () => stage.repository.collect({ graceMs, undoPeriodMs }));
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
