import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { FailingFiles } from '../testing/failing-files.js';
import { MemoryStore } from '../testing/memory-store.js';
import type { IndexedPack } from './index-segment.js';

const files = new FailingFiles();
const { contextOn, putSegment, randomPack } = await import('../testing/synthetic-index.js');
const { chunkIdAt } = await import('../packs/pack-table.js');
const { BLOCK_BYTES } = await import('./chunk-rows.js');
const { loadIndexForReading } = await import('./load-index.js');

/** More than what the cache leaves in copies of segments, and than fits into the memory that it gets. */
const MANY = 17_000;
const FEW = 700;
const PATIENCE_MS = 600_000;

let home: string;
let context: RepositoryContext;
const packs: IndexedPack[] = [];
const folder = (): string => join(home, 'cache');
const notices: string[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'rahat-cache-faults-'));
  const notice = (message: string): void => void notices.push(message);
  context = contextOn(new MemoryStore(), { cache: { folder: folder() }, indexMemoryBytes: 4 * BLOCK_BYTES, notice });
  await addSegment(MANY, FEW);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function addSegment(...sizes: number[]): Promise<void> {
  const added = sizes.map(randomPack);
  packs.push(...added);
  await putSegment(context, added);
}

/** Loads the index and looks every chunk up; what is found must be right. */
async function loadAndLookUp(): Promise<void> {
  using index = await loadIndexForReading(context);
  for (const { hash, table } of packs) {
    const number = index.packNumber(hash);
    for (let i = 0; i < table.chunkFrames.length; i += 13) {
      const home = index.chunks.get(chunkIdAt(table, i));
      if (!home) await index.healing!.restoreLostRows();
      const found = home ?? index.chunks.get(chunkIdAt(table, i));
      if (found?.pack !== number || found?.offset !== table.chunkOffsets[i]) throw new Error(`Chunk ${i} of ${hash} is lost or wrong`);
    }
  }
}

/** Makes each call fail once, from the same cache each time. */
async function failEachCall(): Promise<{ faults: number; failures: unknown[] }> {
  const failures: unknown[] = [];
  const before = join(home, 'before');
  if (existsSync(folder())) cpSync(folder(), before, { recursive: true });
  for (let n = 1; ; n++) {
    rmSync(folder(), { recursive: true, force: true });
    if (existsSync(before)) cpSync(before, folder(), { recursive: true });
    files.arm(n);
    const failure = await loadAndLookUp().then(
      () => undefined,
      (error: unknown) => error,
    );
    const struck = files.disarm();
    if (failure !== undefined) failures.push(failure);
    await loadAndLookUp();
    if (!struck) return { faults: n - 1, failures };
  }
}

describe('the local cache of the index, where each call to the file system once fails', () => {
  /** A part of the index that was moved out of memory is nowhere else while the session lasts. */
  const expectOnlySpillTrouble = (failures: unknown[]): void =>
    failures.forEach((failure) => {
      expect(failure).toBeInstanceOf(RahatError);
      expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringContaining('temporary file') });
    });

  it(
    'never gives a wrong home, goes on without what failed, and is whole the next time: when it is made',
    async () => {
      const { faults, failures } = await failEachCall();
      expect(faults).toBeGreaterThan(50);
      expectOnlySpillTrouble(failures);
      expect(notices.length).toBeGreaterThan(10);
    },
    PATIENCE_MS,
  );

  it(
    'the same when it is read, with a segment that came since',
    async () => {
      await loadAndLookUp();
      await addSegment(FEW);
      const { faults, failures } = await failEachCall();
      expect(faults).toBeGreaterThan(20);
      expectOnlySpillTrouble(failures);
    },
    PATIENCE_MS,
  );
});
