import type { SharedRegion } from '../threads/jobs.js';
import type { CutSizes } from './classes.js';
import { GEAR_WASM_BASE64 } from './gear-wasm.js';

/** A piece of memory that threads share, and the search for gear boundaries in it. */
export interface CutWindow {
  readonly bytes: Buffer;
  readonly region: SharedRegion;
  /** Length of the chunk that starts at `start`, where `available` bytes stand: at least `sizes.max`, or the stream's rest. */
  scan(start: number, available: number, sizes: CutSizes): number;
}

/** Makes windows of one gear table; they all live in one memory, as long as one of them does. */
export type WindowMaker = (sizeBytes: number) => CutWindow;

const WASM_PAGE = 65_536;
/** What assembly/compile-gear.mjs compiled in. */
const MAX_PAGES = 16_384;

type WasmScan = (ptr: number, n: number, min: number, normal: number, max: number, strict: number, loose: number) => number;

/** The part of WebAssembly that is used here; TypeScript knows it only together with a browser's whole environment. */
interface WebAssemblyRuntime {
  Module: new (bytes: Uint8Array) => object;
  Memory: new (options: { initial: number; maximum: number; shared: true }) => WasmMemory;
  Instance: new (module: object, imports: { env: { memory: object } }) => { exports: Record<string, unknown> };
}

interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  /** Gives the number of pages before. */
  grow(pages: number): number;
}

const runtime = (globalThis as { WebAssembly?: WebAssemblyRuntime }).WebAssembly;
let compiled: object | undefined;

export function wasmWindows(gearTable: Buffer): WindowMaker {
  if (!runtime) return plainWindows(gearTable);
  compiled ??= new runtime.Module(Buffer.from(GEAR_WASM_BASE64, 'base64'));
  // The first page holds the table.
  const memory = new runtime.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
  const wasmScan = new runtime.Instance(compiled, { env: { memory } }).exports['scan'] as WasmScan;
  Buffer.from(memory.buffer, 0, gearTable.length).set(gearTable);
  return (sizeBytes) => {
    const offset = memory.grow(Math.ceil(sizeBytes / WASM_PAGE)) * WASM_PAGE;
    return {
      bytes: Buffer.from(memory.buffer, offset, sizeBytes),
      region: { memory: memory.buffer, offset, length: sizeBytes },
      scan(start, available, sizes) {
        const { strict, loose } = shifts(sizes);
        return wasmScan(offset + start, available, sizes.min, sizes.average, sizes.max, strict, loose);
      },
    };
  };
}

/** Where WebAssembly is switched off. Keeps the 64-bit hash in two halves; cuts exactly as the WebAssembly module does. */
export function plainWindows(gearTable: Buffer): WindowMaker {
  const low = new Uint32Array(256);
  const high = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    low[i] = gearTable.readUInt32LE(i * 8);
    high[i] = gearTable.readUInt32LE(i * 8 + 4);
  }
  return (sizeBytes) => {
    const memory = new SharedArrayBuffer(sizeBytes);
    const bytes = Buffer.from(memory);
    return {
      bytes,
      region: { memory, offset: 0, length: sizeBytes },
      scan(start, available, sizes) {
        const end = Math.min(available, sizes.max);
        if (end <= sizes.min) return end;
        const { strict, loose } = shifts(sizes);
        const middle = Math.min(sizes.average, end);
        let hashLow = 0;
        let hashHigh = 0;
        for (let i = sizes.min; i < end; i++) {
          const byte = bytes[start + i]!;
          const sum = ((hashLow << 1) >>> 0) + low[byte]!;
          hashHigh = (((hashHigh << 1) | (hashLow >>> 31)) + high[byte]! + (sum > 0xffff_ffff ? 1 : 0)) >>> 0;
          hashLow = sum >>> 0;
          // The shifts are above 32, so only the upper half decides.
          if (hashHigh >>> ((i < middle ? strict : loose) - 32) === 0) return i + 1;
        }
        return end;
      },
    };
  };
}

/** FastCDC's normalisation, level 2: before the average 4 times rarer than it, after it 4 times more frequent. */
function shifts(sizes: CutSizes): { strict: number; loose: number } {
  const bits = 31 - Math.clz32(sizes.average);
  return { strict: 64 - (bits + 2), loose: 64 - (bits - 2) };
}
