import { randomBytes } from 'node:crypto';
import { DEFAULT_CUT_SIZES } from './chunking/classes.js';
import { Cutter } from './chunking/cutter.js';
import { deriveKeys } from './keys/derivation.js';

// Parts of the engine that measurements time by themselves; nothing of the product imports this.

const cutter = new Cutter(deriveKeys({ masterKey: randomBytes(32), identitySecret: randomBytes(32) }).gearTable);

/** Cuts `bytes` as rows; gives the number of chunks. */
export function measureCutting(bytes: Buffer): number {
  cutter.begin(DEFAULT_CUT_SIZES.rows);
  let chunks = 0;
  for (let offset = 0; offset < bytes.length;) {
    offset += cutter.fill(bytes, offset);
    while (cutter.next(false)) chunks++;
  }
  while (cutter.next(true)) chunks++;
  return chunks;
}
