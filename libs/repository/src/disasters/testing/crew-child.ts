import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';
import { LocalStore } from '@rahat/blob-store-local';
import { RETRY_POLICY, RetryingStore, type BlobStore } from '@rahat/blob-store-port';
import { openS3Store } from '@rahat/blob-store-s3';
import { RahatError } from '@rahat/contracts';
import { SYSTEM_CLOCK } from '../../context.js';
import { openRepository } from '../../open-repository.js';
import type { Repository } from '../../repository.js';
import { Random } from '../../simulation/random.js';
import { snapshotFacts } from '../../testing/builders.js';
import { contentOf, writeContent } from './content.js';
import { CALL_DEADLINE_MS, Orders, type Report } from './crew-orders.js';
import { selfStopping } from './self-stopping-store.js';

const LONGEST_REST_MS = 300;

// A writer or a collector that tests kill and stop. Reports reach the pipe before the next line of this program runs.
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const orders = Orders.parse(JSON.parse((await lines.next()).value as string));
const random = new Random(orders.seed);
const { clockOffsetMs, leaseTtlMs } = orders;
if (orders.place.driver === 'local') offsetWallClock(clockOffsetMs);

const repository = await openHere();
/** To a choir. */
let sign: Promise<unknown> | undefined;
const rounds = orders.rounds ?? Infinity;
if (orders.role === 'choir') await Promise.all(Array.from({ length: rounds }, (_, voice) => reportFailure(singInChoir(voice))));
else
  for (let round = 0; round < rounds; round++) {
    await reportFailure(orders.role === 'writer' ? writeOnce(round) : collectOnce());
    await rest(random.between(0, LONGEST_REST_MS));
  }
process.stdin.destroy();

function reportFailure(work: Promise<void>): Promise<void> {
  return work.catch((error: unknown) => {
    const { code, message } = RahatError.from(error);
    report({ type: 'failed', code, message });
  });
}

async function openHere(): Promise<Repository> {
  const { masterKey, identitySecret } = orders.secrets;
  const secrets = { masterKey: Buffer.from(masterKey, 'base64'), identitySecret: Buffer.from(identitySecret, 'base64') };
  const store = await placeStore();
  // A server of object storage refuses whoever's clock is wrong, so there only the engine's is.
  const now = (): Date => new Date(Date.now() + (orders.place.driver === 'local' ? 0 : clockOffsetMs));
  const mayStop = orders.stop ? selfStopping(store, orders.stop) : store;
  return openRepository(
    mayStop,
    { type: 'secrets', ...secrets },
    { leaseTtlMs, callDeadlineMs: CALL_DEADLINE_MS, clock: { ...SYSTEM_CLOCK, now } },
  );
}

async function placeStore(): Promise<BlobStore> {
  const { place } = orders;
  if (place.driver === 'local') return new LocalStore(place);
  return new RetryingStore(await openS3Store(place), { ...RETRY_POLICY, firstPauseMs: 20, longestPauseMs: 200 });
}

async function writeOnce(round: number): Promise<void> {
  const seed = orders.seed * 1000 + round;
  const snapshot = `backup_${seed}`;
  await using session = await repository.beginWriting({ writer: orders.name });
  await session.commit(snapshot, snapshotFacts(), await writeContent(session, contentOf(seed)));
  report({ type: 'committed', snapshot, seed });
  if (random.chance(0.4)) await removeOne(snapshot);
}

async function singInChoir(voice: number): Promise<void> {
  const seed = orders.seed * 1000 + voice;
  await using session = await repository.beginWriting({ writer: `${orders.name}-${voice}` });
  const objects = await writeContent(session, contentOf(seed));
  report({ type: 'written' });
  await (sign ??= lines.next());
  const { snapshot } = await session.commit(`backup_${seed}`, snapshotFacts(), objects);
  report({ type: 'committed', snapshot, seed });
}

/** Retention, and sometimes somebody who wants the snapshot back. */
async function removeOne(snapshot: string): Promise<void> {
  report({ type: 'removing', snapshot });
  await repository.moveToTrash(snapshot);
  if (!random.chance(0.3)) return;
  await repository.restoreFromTrash(snapshot);
  report({ type: 'brought-back', snapshot });
}

async function collectOnce(): Promise<void> {
  const { deleted, condemned } = await repository.collect({ graceMs: 2 * leaseTtlMs, undoPeriodMs: 0 });
  const condemnedPacks = Object.values(condemned).reduce((sum, { packs }) => sum + packs, 0);
  report({ type: 'collected', deletedPacks: deleted.packs, condemnedPacks });
}

function report(event: Report): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function offsetWallClock(offsetMs: number): void {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args: [] | [number]) {
      super(...(args.length === 0 ? ([RealDate.now() + offsetMs] as const) : args));
    }

    static override now(): number {
      return RealDate.now() + offsetMs;
    }
  } as DateConstructor;
}
