// AssemblyScript. The hot loop of a logical backup: takes COPY bytes out of their frames (pg_dump 15 frames each row by
// itself), splits them into rows and adds up the rows' hashes. README.md defines the hash; src/logical/row-kernel.generated.ts
// is this file compiled by `node wasm/compile.mjs`.

export const INPUT: usize = 0x10000;
export const INPUT_SIZE: usize = 0x100000;
export const OUTPUT: usize = 0x110000;
export const OUTPUT_SIZE: usize = 0x100000;

// "rahat-row-hash-1" as two little-endian words: the key of SipHash, public and for ever the same.
const KEY_0: u64 = 0x6f722d7461686172;
const KEY_1: u64 = 0x312d687361682d77;
const NEWLINE: u8 = 0x0a;
// The line `\.` with which pg_dump ends the rows of a table.
const END_OF_ROWS: u64 = 0x2e5c;
// Below this an inline copy beats the call that `memory.copy` costs.
const SMALL_COPY: usize = 512;

let sumLow: u64 = 0;
let sumHigh: u64 = 0;
let rows: u64 = 0;
let trailing: u32 = 0;
let ended: bool = false;

// The item that is still open: bytes of it came before the current input.
let open: bool = false;
let openLength: u64 = 0;
let tail: u64 = 0;
let tailLength: u32 = 0;
let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

let frameLeft: usize = 0;
let header: u64 = 0;
let headerLength: u32 = 0;
let outputEnd: usize = OUTPUT;
let entryEnded: bool = false;
let wireMessage: u32 = 0;

export function resetSum(): void {
  sumLow = 0; sumHigh = 0; rows = 0; trailing = 0; ended = false; open = false; openLength = 0;
}

export function resetFrames(): void {
  frameLeft = 0; headerLength = 0; header = 0; entryEnded = false; wireMessage = 0;
}

export function getSumLow(): u64 { return sumLow; }
export function getSumHigh(): u64 { return sumHigh; }
export function getRows(): u64 { return rows; }
export function getTrailing(): u32 { return trailing; }
export function hasEnded(): bool { return ended; }
export function isOpen(): bool { return open; }
export function getOutputEnd(): usize { return outputEnd; }
export function hasEntryEnded(): bool { return entryEnded; }
export function getWireMessage(): u32 { return wireMessage; }

/** Adds COPY text: each line is an item. */
export function absorbRows(start: usize, end: usize): void {
  let p = start;
  while (p < end) {
    if (ended) { trailing += <u32>(end - p); return; }
    const newline = findNewline(p, end);
    if (newline == end) { absorb(p, end); return; }
    if (open) {
      absorb(p, newline);
      if (openLength == 2 && tail == END_OF_ROWS) { ended = true; open = false; openLength = 0; } else finishItem();
    } else if (newline - p == 2 && <u64>load<u16>(p) == END_OF_ROWS) ended = true;
    else hashLine(p, newline);
    p = newline + 1;
  }
}

function findNewline(start: usize, end: usize): usize {
  const wanted = i8x16.splat(NEWLINE);
  let p = start;
  // Reads past `end` stay inside the memory; what is found there is cut off below.
  while (p < end) {
    const mask = i8x16.bitmask(i8x16.eq(v128.load(p), wanted));
    if (mask != 0) {
      const found = p + <usize>ctz(mask);
      return found < end ? found : end;
    }
    p += 16;
  }
  return end;
}

// A whole line at once, its state in locals.
function hashLine(start: usize, end: usize): void {
  let a = KEY_0 ^ 0x736f6d6570736575;
  let b = KEY_1 ^ 0x646f72616e646f6d ^ 0xee;
  let c = KEY_0 ^ 0x6c7967656e657261;
  let d = KEY_1 ^ 0x7465646279746573;
  let p = start;
  const words = end - ((end - start) & 7);
  while (p < words) {
    const m = load<u64>(p);
    d ^= m;
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
    a ^= m;
    p += 8;
  }
  const left = <u64>(end - p);
  const last = left == 0 ? 0 : load<u64>(p) & ((<u64>1 << (left << 3)) - 1);
  finish(a, b, c, d, last | (<u64>(end - start) << 56));
}

function finish(a: u64, b: u64, c: u64, d: u64, m: u64): void {
  d ^= m;
  for (let i = 0; i < 2; i++) {
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
  }
  a ^= m;
  c ^= 0xee;
  for (let i = 0; i < 4; i++) {
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
  }
  const low = a ^ b ^ c ^ d;
  b ^= 0xdd;
  for (let i = 0; i < 4; i++) {
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
  }
  const high = a ^ b ^ c ^ d;
  sumLow += low;
  sumHigh += high + <u64>(sumLow < low);
  rows++;
}

/** Adds bytes to the open item, whatever they are; opens one when none is. */
export function absorb(start: usize, end: usize): void {
  if (!open) openItem();
  let p = start;
  openLength += <u64>(end - p);
  while (tailLength != 0 && p < end) {
    appendToTail(load<u8>(p++));
  }
  const words = end - ((end - p) & 7);
  let a = v0, b = v1, c = v2, d = v3;
  while (p < words) {
    const m = load<u64>(p);
    d ^= m;
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
    a ^= m;
    p += 8;
  }
  v0 = a; v1 = b; v2 = c; v3 = d;
  while (p < end) appendToTail(load<u8>(p++));
}

export function openItem(): void {
  open = true;
  openLength = 0; tail = 0; tailLength = 0;
  v0 = KEY_0 ^ 0x736f6d6570736575;
  v1 = KEY_1 ^ 0x646f72616e646f6d ^ 0xee;
  v2 = KEY_0 ^ 0x6c7967656e657261;
  v3 = KEY_1 ^ 0x7465646279746573;
}

function appendToTail(byte: u8): void {
  tail |= <u64>byte << (<u64>tailLength << 3);
  tailLength++;
  if (tailLength < 8) return;
  let a = v0, b = v1, c = v2, d = v3 ^ tail;
  for (let i = 0; i < 2; i++) {
    a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32); c += d; d = rotl(d, 16) ^ c;
    a += d; d = rotl(d, 21) ^ a; c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32);
  }
  v0 = a ^ tail; v1 = b; v2 = c; v3 = d;
  tail = 0; tailLength = 0;
}

export function finishItem(): void {
  finish(v0, v1, v2, v3, tail | (openLength << 56));
  open = false;
  openLength = 0;
}

/**
 * Custom archive: frames of a sign byte and a little-endian length; length 0 ends the entry. Payload goes to OUTPUT and into
 * the sum. Gives where it stopped: input used up, output full, or entry ended.
 */
export function unframeArchive(start: usize, end: usize, asRows: bool): usize {
  let p = start;
  let out = outputEnd;
  const outLimit = OUTPUT + OUTPUT_SIZE;
  while (p < end) {
    if (frameLeft == 0) {
      if (headerLength == 0 && end - p >= 5) {
        frameLeft = <usize>load<u32>(p + 1);
        p += 5;
      } else {
        if (headerLength > 0) header |= <u64>load<u8>(p) << (<u64>(headerLength - 1) << 3);
        p++; headerLength++;
        if (headerLength < 5) continue;
        frameLeft = <usize>header;
        header = 0; headerLength = 0;
      }
      if (frameLeft == 0) { entryEnded = true; break; }
      continue;
    }
    const length = min(min(frameLeft, end - p), outLimit - out);
    if (length == 0) break;
    if (length <= SMALL_COPY) for (let i: usize = 0; i < length; i += 16) v128.store(out + i, v128.load(p + i));
    else memory.copy(out, p, length);
    if (asRows) absorbRows(p, p + length); else absorb(p, p + length);
    out += length; p += length; frameLeft -= length;
  }
  outputEnd = out;
  return p;
}

export function emptyOutput(): void { outputEnd = OUTPUT; }

/**
 * The server's protocol during COPY TO STDOUT: CopyData messages are hashed and forgotten; the first message of another
 * type stops (its type in `getWireMessage`, position at its type byte).
 */
export function absorbWire(start: usize, end: usize): usize {
  let p = start;
  wireMessage = 0;
  while (p < end) {
    if (frameLeft > 0) {
      const length = min(frameLeft, end - p);
      absorbRows(p, p + length);
      p += length; frameLeft -= length;
      continue;
    }
    if (headerLength == 0) {
      if (load<u8>(p) != 0x64) { wireMessage = load<u8>(p); return p; }
      if (end - p >= 5) {
        frameLeft = <usize>bswap(load<u32>(p + 1)) - 4;
        p += 5;
        continue;
      }
    } else header = (header << 8) | <u64>load<u8>(p);
    p++; headerLength++;
    if (headerLength < 5) continue;
    frameLeft = <usize>header - 4;
    header = 0; headerLength = 0;
  }
  return p;
}
