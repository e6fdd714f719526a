import { createHmac } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryKeys } from '../keys/derivation.js';
import type { ReadSession, Repository, WriteSession } from '../repository.js';
import type { Manifest, SnapshotFacts, StoredObject } from '../snapshots/manifest.js';
import type { Ledger, ReportedSnapshot } from './ledger.js';
import type { Random } from './random.js';
import { HOUR_MS, MINUTE_MS, type SimulatedMachine } from './simulated-machine.js';

/** What an actor works with on its machine. */
export interface Stage {
  repository: Repository;
  machine: SimulatedMachine;
  random: Random;
  ledger: Ledger;
  keys: RepositoryKeys;
  options: { graceMs: number; undoPeriodMs: number; leaseTtlMs: number; listLagMs: number };
  /** New in the whole schedule. */
  nextNumber(): number;
}

export type Actor = (stage: Stage) => Promise<void>;

/** Bytes of one chunk. */
export const BLOCK_BYTES = 64;
/** Few different blocks, so that writers meet each other's chunks, and those that were condemned. */
const BLOCKS = 24;

/** A backup now and then: the state of a database, of which parts come back. */
export const writer: Actor = async (stage) => {
  const { machine, random } = stage;
  for (let backup = 0; backup < 3; backup++) {
    await pause(machine, random.between(0, 1.5 * HOUR_MS));
    const content = someContent(random);
    for (let attempt = 1; attempt <= 2; attempt++) {
      if (await tolerating(stage, () => backUp(stage, content))) break;
    }
  }
};

async function backUp(stage: Stage, content: Buffer): Promise<void> {
  const { machine, random, repository } = stage;
  await using session = await repository.beginWriting({ writer: `worker-${random.whole(1, 2)}` });
  if (random.chance(0.3)) await pause(machine, random.between(0, 40 * MINUTE_MS));
  const stored = await write(stage, session, content);
  if (random.chance(0.3)) await pause(machine, random.between(0, 20 * MINUTE_MS));
  await commit(stage, session, stored, content);
}

/** One session for several snapshots, such as of log segments. */
export const follower: Actor = async (stage) => {
  const { machine, random, repository } = stage;
  await pause(machine, random.between(0, 3 * HOUR_MS));
  for (let round = 0; round < 1; round++) {
    await tolerating(stage, async () => {
      await using session = await repository.beginWriting({ writer: 'follower' });
      for (let commits = 0; commits < 2; commits++) {
        const content = someContent(random);
        await commit(stage, session, await write(stage, session, content), content);
        await pause(machine, random.between(0, 7 * MINUTE_MS));
      }
    });
    await pause(machine, random.between(0, 2 * HOUR_MS));
  }
};

export const reader: Actor = async (stage) => {
  const { machine, random, repository, ledger, options } = stage;
  for (let reads = 0; reads < 2; reads++) {
    await pause(machine, random.between(0, 3 * HOUR_MS));
    const wanted = random.pick([...ledger.reported.values()].filter(({ trashedAtMs }) => trashedAtMs === undefined));
    if (!wanted) continue;
    machine.longestFreezeMs = 0;
    // Where listings lag, the segments of a new snapshot are found some time after it.
    const isFresh = (): boolean => machine.timeline.nowMs - wanted.reportedAtMs < 2 * options.listLagMs;
    const stoodStill = (): boolean => machine.longestFreezeMs > options.leaseTtlMs / 2;
    await tolerating(
      stage,
      async () => {
        const manifest = await repository.findSnapshot(wanted.id);
        await using session = await repository.beginReading();
        if (random.chance(0.5)) await pause(machine, random.between(0, 3 * HOUR_MS));
        await expectContent(session, manifest, wanted, ledger);
      },
      // Who was suspended for longer than a lease lives reads without protection, and is told so by an error; never by wrong bytes.
      (code) => code === 'snapshot_not_found' || wanted.purged || stoodStill() || isFresh(),
    );
  }
};

/** Takes snapshots away, and sometimes brings them back. */
export const retention: Actor = async (stage) => {
  const { machine, random, repository, ledger } = stage;
  for (let removals = 0; removals < 6; removals++) {
    await pause(machine, random.between(0, HOUR_MS));
    const chosen = random.pick([...ledger.reported.values()].filter(({ trashedAtMs }) => trashedAtMs === undefined));
    if (!chosen) continue;
    chosen.trashedAtMs = machine.timeline.nowMs;
    const moved = await tolerating(stage, () => repository.moveToTrash(chosen.id));
    if (!moved || !random.chance(0.4)) continue;
    await pause(machine, random.between(0, HOUR_MS));
    const restored = await tolerating(
      stage,
      async () => {
        await repository.restoreFromTrash(chosen.id);
        chosen.trashedAtMs = undefined;
        if (chosen.purged) ledger.violate(`The undo of the removal of snapshot ${chosen.id} succeeded after it had been purged.`);
      },
      (code) => code === 'snapshot_not_found',
    );
    if (restored) await pause(machine, random.between(0, HOUR_MS));
  }
};

export const collector: Actor = async (stage) => {
  const { machine, random, repository, options } = stage;
  for (let rounds = 0; rounds < 4; rounds++) {
    await pause(machine, random.between(20 * MINUTE_MS, 2 * HOUR_MS));
    await tolerating(stage, () => repository.collect({ graceMs: options.graceMs, undoPeriodMs: options.undoPeriodMs }));
  }
};

async function write({ random, nextNumber }: Stage, session: WriteSession, content: Buffer): Promise<StoredObject> {
  const description = { key: `rows/${nextNumber()}`, kind: 'rows', order: 0, class: 'rows' } as const;
  const source = async function* (): AsyncGenerator<Buffer> {
    yield content;
  };
  return session.writeObject(description, source(), random.chance(0.5) ? undefined : () => ({ rows: content.length / BLOCK_BYTES }));
}

async function commit(stage: Stage, session: WriteSession, object: StoredObject, content: Buffer): Promise<void> {
  const id = `backup_${stage.nextNumber()}`;
  const attempt = (): Promise<Manifest> => session.commit(id, FACTS, [object]);
  const manifest = await attempt().catch((error: unknown) => {
    // The same session may repeat what wasn't answered.
    if (error instanceof RahatError && error.code === 'storage_unreachable' && stage.random.chance(0.5)) return attempt();
    throw error;
  });
  const { recipe } = manifest.objects[0]!;
  const recipeChunks = 'recipeChunks' in recipe ? recipe.recipeChunks.map(([chunk]) => chunk) : [];
  stage.ledger.report({
    id,
    content,
    chunks: [...new Set([...recipeChunks, ...chunkIds(stage.keys, content)])],
    purged: false,
    reportedAtMs: stage.machine.timeline.nowMs,
  });
}

export async function expectContent(session: ReadSession, manifest: Manifest, wanted: ReportedSnapshot, ledger: Ledger): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of session.readObject(manifest.objects[0]!, { verifyChunks: true })) parts.push(Buffer.from(part));
  if (!Buffer.concat(parts).equals(wanted.content)) ledger.violate(`Snapshot ${wanted.id} gave other bytes than were backed up.`);
}

/** The codes with which work may fail because of the world; everything else is the engine's fault. */
const WORLDLY = new Set(['storage_unreachable', 'lease_lost', 'cancelled']);

/** Whether it succeeded. */
async function tolerating(stage: Stage, work: () => Promise<unknown>, isFine: (code: string) => boolean = () => false): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (!WORLDLY.has(code) && !isFine(code)) stage.ledger.violate(`Unexpected ${code}: ${message}`);
    return false;
  }
}

function pause(machine: SimulatedMachine, ms: number): Promise<void> {
  return new Promise((resolve) => machine.clock.after(ms, resolve));
}

/** Mostly few blocks; now and then so many that the recipe is stored by itself. */
function someContent(random: Random): Buffer {
  const count = random.chance(0.1) ? random.whole(65, 70) : random.whole(1, 4);
  const first = random.whole(0, BLOCKS - 1);
  const blocks = Array.from({ length: count }, (_, i) => (random.chance(0.7) ? (first + i) % BLOCKS : random.whole(0, BLOCKS - 1)));
  return Buffer.concat(blocks.map((block) => Buffer.alloc(BLOCK_BYTES, `block ${block} `)));
}

function chunkIds({ chunkId }: RepositoryKeys, content: Buffer): string[] {
  const ids: string[] = [];
  for (let at = 0; at < content.length; at += BLOCK_BYTES) {
    const block = content.subarray(at, at + BLOCK_BYTES);
    const text = block.toString('latin1');
    let id = KNOWN_IDS.get(text);
    if (!id) KNOWN_IDS.set(text, (id = createHmac('sha256', chunkId).update(block).digest('hex')));
    ids.push(id);
  }
  return ids;
}

/** All schedules use the same keys. */
const KNOWN_IDS = new Map<string, string>();

const FACTS: SnapshotFacts = {
  run: 'run_1',
  attempt: 1,
  organization: 'org_1',
  server: { id: 'server_1', identity: '1', name: 'shop', version: '18.1' },
  engine: 'postgresql',
  method: 'postgresql.logical',
  label: 'full',
  consistency: 'snapshot',
  positions: {},
  consistentAt: '2026-01-01T00:00:00.000Z',
  findings: [],
  tool: 'simulation',
  evidence: {},
};
