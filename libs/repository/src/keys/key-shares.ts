import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { combine, split } from 'shamir-secret-sharing';
import type { ShamirParameters } from './keyslot-file.js';
import { printCode, readCode, type PrintedGroup } from './printed-code.js';

/** First bytes of the slot's id: tells people's shares of several repositories apart. */
const SLOT_BYTES = 3;
const SECRET_BYTES = 32;

/** A share as printed: 3 bytes of its slot, its x coordinate, its 32 y coordinates. */
interface Share {
  slot: string;
  x: number;
  y: Buffer;
}

/** Splits a recovery key so that any `threshold` of `count` shares give it back, and fewer tell nothing. */
export async function splitKey(
  key: Buffer,
  { slot, threshold, count }: { slot: string; threshold: number; count: number },
): Promise<{ digests: string[]; shares: PrintedGroup[][] }> {
  const shares = (await split(new Uint8Array(key), count, threshold)).map((bytes) => ({
    slot: slot.slice(0, SLOT_BYTES * 2),
    // The library puts x behind the y coordinates.
    x: bytes[SECRET_BYTES]!,
    y: Buffer.from(bytes.subarray(0, SECRET_BYTES)),
  }));
  return { digests: shares.map((share) => digest(slot, share)), shares: shares.map((share) => printCode('key-share', encode(share))) };
}

/** Numbers of shares count from 1 in the order in which they were given. Throws `recovery_key_mistyped`. */
export function readShares(typed: readonly string[]): Share[] {
  return typed.map((text, i) => {
    try {
      return decode(readCode('key-share', text));
    } catch (error) {
      const { code, message } = RahatError.from(error);
      throw new RahatError(code, `Share ${i + 1} of those given: ${message}`, { cause: error });
    }
  });
}

export type Combined = { ok: true; key: Buffer } | { ok: false; reason: string };

/** Only shares whose digests stand in the slot are combined: a wrong one among them would give a wrong key without a word. */
export async function combineShares(shares: Share[], slot: string, { threshold, shares: digests }: ShamirParameters): Promise<Combined> {
  const right = new Map<number, Share>();
  const wrong: number[] = [];
  shares.forEach((share, i) => {
    const number = digests.indexOf(digest(slot, share));
    if (number < 0) wrong.push(i + 1);
    else right.set(number, share);
  });
  if (right.size >= threshold) {
    const chosen = [...right.values()].map(({ x, y }) => Uint8Array.from([...y, x]));
    return { ok: true, key: Buffer.from(await combine(chosen)) };
  }
  const strangers = wrong.length > 0 ? `; not of this slot: share ${wrong.join(', ')} of those given` : '';
  return { ok: false, reason: `${threshold} different shares of it are needed, ${right.size} were given${strangers}` };
}

function encode({ slot, x, y }: Share): Buffer {
  return Buffer.concat([Buffer.from(slot, 'hex'), Buffer.from([x]), y]);
}

function decode(payload: Buffer): Share {
  return { slot: payload.toString('hex', 0, SLOT_BYTES), x: payload[SLOT_BYTES]!, y: payload.subarray(SLOT_BYTES + 1) };
}

/** A share has 256 random bits: its hash tells nothing of it. */
function digest(slot: string, { x, y }: Share): string {
  return createHash('sha256')
    .update('rahat/1/key-share/digest')
    .update(Buffer.from(slot, 'hex'))
    .update(Buffer.from([x]))
    .update(y)
    .digest('hex');
}
