import { randomBytes } from 'node:crypto';
import { DEFAULT_CUT_SIZES } from './chunking/classes.js';
import { Cutter } from './chunking/cutter.js';
import { wasmWindows } from './chunking/gear-scan.js';
import { deriveKeys } from './keys/derivation.js';

// Parts of the engine that measurements time by themselves; nothing of the product imports this.

const WINDOW_BYTES = 2 * 1024 * 1024;
const { gearTable } = deriveKeys({ masterKey: randomBytes(32), identitySecret: randomBytes(32) });
const window = wasmWindows(gearTable)(WINDOW_BYTES);

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
