import { PROTOCOL } from '../protocol.js';
import { contentOf, someContent } from './content.js';
import { logPlace } from '../logs/log-names.js';
import { FollowerRole } from './follower-role.js';
import type { ReportedSnapshot } from './ledger.js';
import { WriterRole } from './roles.js';
import { NO_HAZARDS } from './simulated-machine.js';
import { World, type Terms } from './world.js';

/** Repositories that scenes begin with. Each is made once and then put where it is needed, which is a third of a schedule's work. */
const PASTS = 64;

interface StoredPast {
  files: { name: string; bytes: Buffer }[];
  reported: ReportedSnapshot[];
}

/** By number, whether their files are sealed with ciphers, and what they hold besides backups. */
const pasts = new Map<string, Promise<StoredPast>>();

/** Backups of long ago: `old`, `kept`, and now and then another, or a `twin` of the old one. */
export async function recall({ random, storage, ledger, timeline, terms }: World, besides?: 'logs'): Promise<void> {
  const number = random.whole(1, PASTS);
  const key = `${number} ${terms.ciphers} ${besides}`;
  let past = pasts.get(key);
  if (!past) pasts.set(key, (past = makePast(number, terms, besides)));
  const { files, reported } = await past;
  for (const { name, bytes } of files) storage.put(name, bytes, { ifAbsent: false, late: false, lease: undefined });
  for (const snapshot of reported) ledger.report({ ...snapshot, reportedAtMs: timeline.nowMs });
}

async function makePast(number: number, { ciphers }: Terms, besides: 'logs' | undefined): Promise<StoredPast> {
  const world = new World(number, PROTOCOL, () => ({
    ciphers,
    tinyMemory: false,
    graceMs: 0,
    undoPeriodMs: 0,
    listLagMs: 0,
    conditionalPut: true,
  }));
  const made = besides === 'logs' ? backUp(world).then(() => followLong(world)) : backUp(world);
  made.catch((error: unknown) => world.ledger.violate(String((error as Error).stack)));
  await world.run();
  if (world.ledger.violation) throw new Error(world.ledger.violation);
  return {
    files: [...world.storage.files].map(([name, { bytes }]) => ({ name, bytes })),
    reported: [...world.ledger.reported.values()],
  };
}

async function backUp(world: World): Promise<void> {
  const { random } = world;
  const first = random.whole(0, 15);
  const oldBlocks = Array.from({ length: random.whole(2, 4) }, (_, i) => first + i);
  // Where one block stays in use, the old pack is worth a copy.
  const shared = random.chance(0.4) ? oldBlocks.slice(0, 1) : [];
  const writer = new WriterRole(world.stage(NO_HAZARDS), contentOf(oldBlocks), 'old');
  // Two who back up the same at the same time both store it.
  const twin = random.chance(0.2) ? new WriterRole(world.stage(NO_HAZARDS), contentOf(oldBlocks), 'twin') : undefined;
  await writer.begin();
  await twin?.begin();
  for (const step of [writer.write, writer.commit]) await step();
  for (const step of twin?.steps.slice(1) ?? []) await step();
  await writer.next(contentOf([...shared, 20, 21]), 'kept');
  if (random.chance(0.3)) await writer.next(someContent(random), 'other');
  await writer.close();
}

export const LOG_STREAM = 'stream';
const PAST_PIECES = 5;

/** In pieces of which a collection makes one. */
async function followLong(world: World): Promise<void> {
  const { random } = world;
  const first = random.whole(0, 18);
  const follower = new FollowerRole(
    world.stage(NO_HAZARDS),
    { stream: LOG_STREAM, blocks: [0, 1, 2, 3, 4, 0, 1].map((n) => first + n) },
    0,
  );
  await follower.begin();
  for (let piece = 0; piece < PAST_PIECES; piece++) await follower.commit(piece < 2 ? 2 : 1);
  await follower.close();
}

/** Where the log of long ago ends. */
export function pastEnd({ reported }: Pick<World['ledger'], 'reported'>): number {
  const ends = [...reported.values()].filter(({ piece }) => piece !== undefined).map(({ id }) => Number.parseInt(logPlace(id).last, 16));
  return Math.max(0, ...ends);
}
