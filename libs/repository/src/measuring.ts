import { randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { DEFAULT_CUT_SIZES } from './chunking/classes.js';
import { Cutter } from './chunking/cutter.js';
import { wasmWindows } from './chunking/gear-scan.js';
import { RepositoryIndex } from './index/repository-index.js';
import { deriveKeys } from './keys/derivation.js';
import { CHUNK_ID_BYTES, chunkIdAt } from './packs/pack-table.js';
import { randomPack } from './testing/synthetic-index.js';

// Parts of the engine that measurements time by themselves; nothing of the product imports this.

const WINDOW_BYTES = 2 * 1024 * 1024;
const { gearTable } = deriveKeys({ masterKey: randomBytes(32), identitySecret: randomBytes(32) });
const window = wasmWindows(gearTable)(WINDOW_BYTES);
const CHUNKS_PER_PACK = 1300;
const LOOK_UPS = 200_000;
const SAMPLED_PACKS = 20;

/** Cuts `bytes` as rows; gives the number of chunks. */
export function measureCutting(bytes: Buffer): number {
  const cutter = new Cutter(DEFAULT_CUT_SIZES.rows, window);
  let chunks = 0;
  for (let offset = 0; offset < bytes.length;) {
    const taken = cutter.fill(bytes, offset);
    offset += taken;
    while (cutter.next(false) > 0) chunks++;
    if (taken === 0) cutter.moveTo(window);
  }
  while (cutter.next(true) > 0) chunks++;
  return chunks;
}

export { fillForCollection, fillRepository } from './testing/synthetic-repository.js';

export interface LookUpRates {
  insertsPerSecond: number;
  hitsPerSecond: number;
  scatteredHitsPerSecond: number;
  missesPerSecond: number;
  slotBytesPerChunk: number;
}

/** Look-ups in the table of chunks alone: hits in the order of the packs, as a second backup has them, then in none. */
export function measureLookUps(chunks: number): LookUpRates {
  using index = new RepositoryIndex();
  const sample: Buffer[] = [];
  let inserting = 0;
  while (index.chunks.size < chunks) {
    const pack = randomPack(CHUNKS_PER_PACK);
    const started = performance.now();
    index.addPack(pack);
    inserting += performance.now() - started;
    if (sample.length < LOOK_UPS && index.packs.length % SAMPLED_PACKS === 0)
      for (let i = 0; i < CHUNKS_PER_PACK; i++) sample.push(Buffer.from(chunkIdAt(pack.table, i)));
  }
  const unknown = Array.from({ length: LOOK_UPS }, () => randomBytes(CHUNK_ID_BYTES));
  const rate = (ids: Buffer[], found: boolean): number => {
    const started = performance.now();
    for (const id of ids) {
      if (index.chunks.find(id) >= 0 !== found) throw new RahatError('internal', 'The index finds what is not there, or not what is.');
    }
    return (ids.length / (performance.now() - started)) * 1000;
  };
  return {
    insertsPerSecond: (index.chunks.size / inserting) * 1000,
    hitsPerSecond: rate(sample, true),
    missesPerSecond: rate(unknown, false),
    scatteredHitsPerSecond: rate(
      sample.toSorted((a, b) => a.compare(b)),
      true,
    ),
    slotBytesPerChunk: index.chunks.slotBytes / index.chunks.size,
  };
}
