import { createHash } from 'node:crypto';
import { readPrintedKey } from './printed-key.js';

const SLOT_BYTES = 3;
const KEY_BYTES = 32;

/** One point of 32 polynomials: their values `y` at `x`. */
interface Share {
  x: number;
  y: Buffer;
}

/** A share as it was printed; a text says why it is none. */
export function readShare(text: string): Share | string {
  const payload = readPrintedKey(text, 'rahat/1/key-share', SLOT_BYTES + 1 + KEY_BYTES);
  return typeof payload === 'string' ? payload : { x: payload[SLOT_BYTES]!, y: payload.subarray(SLOT_BYTES + 1) };
}

/** The recovery key of which these are shares. Those whose digest isn't the slot's are left out: they would give a wrong key without a word. */
export function combineShares(texts: readonly string[], slotId: string, threshold: number, digests: readonly string[]): Buffer | string {
  const right = new Map<number, Share>();
  const wrong: string[] = [];
  texts.forEach((text, i) => {
    const share = readShare(text);
    const place = typeof share === 'string' ? -1 : digests.indexOf(digestOf(slotId, share));
    if (typeof share === 'string') wrong.push(`share ${i + 1}: ${share}`);
    else if (place < 0) wrong.push(`share ${i + 1} is of another key`);
    else right.set(place, share);
  });
  if (right.size < threshold) return [`${threshold} different shares are needed, ${right.size} were given`, ...wrong].join('; ');
  const shares = [...right.values()].slice(0, threshold);
  // Lagrange's polynomial at 0; adding and subtracting are both the exclusive or.
  const weights = shares.map(({ x }) =>
    shares.reduce((weight, other) => (other.x === x ? weight : times(weight, over(other.x, other.x ^ x))), 1),
  );
  return Buffer.alloc(KEY_BYTES).map((_, i) => shares.reduce((sum, { y }, share) => sum ^ times(y[i]!, weights[share]!), 0)) as Buffer;
}

function digestOf(slotId: string, { x, y }: Share): string {
  const parts = [Buffer.from('rahat/1/key-share/digest'), Buffer.from(slotId, 'hex'), Buffer.from([x]), y];
  return createHash('sha256').update(Buffer.concat(parts)).digest('hex');
}

/** In GF(2^8) with x^8 + x^4 + x^3 + x + 1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? 0x11b : 0);
  }
  return product;
}

/** a / b: the 254th power of b is its inverse. */
function over(a: number, b: number): number {
  for (let power = 0; power < 254; power++) a = times(a, b);
  return a;
}
