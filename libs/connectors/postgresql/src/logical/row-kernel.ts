import { ROW_KERNEL_BASE64 } from './row-kernel.generated.js';

// The part of the platform's interface that is used here; @types/node has none.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: object);
    readonly exports: unknown;
  }
  interface Memory {
    buffer: ArrayBuffer;
  }
  interface Global {
    value: unknown;
  }
}

interface KernelExports {
  memory: WebAssembly.Memory;
  INPUT: WebAssembly.Global;
  INPUT_SIZE: WebAssembly.Global;
  OUTPUT: WebAssembly.Global;
  resetSum(): void;
  resetFrames(): void;
  emptyOutput(): void;
  getSumLow(): bigint;
  getSumHigh(): bigint;
  getRows(): bigint;
  getTrailing(): number;
  hasEnded(): number;
  isOpen(): number;
  getOutputEnd(): number;
  hasEntryEnded(): number;
  getWireMessage(): number;
  absorbRows(start: number, end: number): void;
  absorb(start: number, end: number): void;
  openItem(): void;
  finishItem(): void;
  unframeArchive(start: number, end: number, asRows: number): number;
  absorbWire(start: number, end: number): number;
}

let compiled: WebAssembly.Module | undefined;

/** Rows (or large objects) and the order-independent sum of their hashes, as README.md defines it. */
export interface RowSum {
  rows: number;
  rowHash: string;
}

/** Typed hands for wasm/row-kernel.ts. One per stream; not shared between streams that are interleaved. */
export class RowKernel {
  readonly #wasm: KernelExports;
  readonly #memory: Uint8Array;
  readonly #input: number;
  readonly #inputSize: number;
  readonly #output: number;

  constructor() {
    compiled ??= new WebAssembly.Module(Buffer.from(ROW_KERNEL_BASE64, 'base64'));
    const instance = new WebAssembly.Instance(compiled, {
      env: {
        abort: () => {
          throw new Error('row kernel aborted');
        },
      },
    });
    this.#wasm = instance.exports as KernelExports;
    this.#memory = new Uint8Array(this.#wasm.memory.buffer);
    this.#input = this.#wasm.INPUT.value as number;
    this.#inputSize = this.#wasm.INPUT_SIZE.value as number;
    this.#output = this.#wasm.OUTPUT.value as number;
    this.reset();
  }

  /** Starts a new sum. */
  reset(): void {
    this.#wasm.resetSum();
    this.startEntry();
  }

  /** Starts a new framed entry and keeps the sum. */
  startEntry(): void {
    this.#wasm.resetFrames();
    this.#wasm.emptyOutput();
  }

  sum(): RowSum {
    const value = (BigInt.asUintN(64, this.#wasm.getSumHigh()) << 64n) | BigInt.asUintN(64, this.#wasm.getSumLow());
    return { rows: Number(this.#wasm.getRows()), rowHash: value.toString(16).padStart(32, '0') };
  }

  /** The rows ended with pg_dump's own end mark and nothing but its two empty lines after it. */
  get endMarkSeen(): boolean {
    return this.#wasm.hasEnded() !== 0 && this.#wasm.getTrailing() === 2;
  }

  /** Bytes of a row came whose end did not. */
  get insideRow(): boolean {
    return this.#wasm.isOpen() !== 0;
  }

  /** Adds COPY text, any cut. */
  absorbRows(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; from += this.#inputSize) this.#wasm.absorbRows(this.#input, this.#load(chunk, from));
  }

  openItem(): void {
    this.#wasm.openItem();
  }

  /** Adds bytes to the open item, whatever they are. */
  absorbItem(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; from += this.#inputSize) this.#wasm.absorb(this.#input, this.#load(chunk, from));
  }

  finishItem(): void {
    this.#wasm.finishItem();
  }

  /** Takes framed archive data; gives how many bytes it used. Payload gathers until `takeOutput`. */
  unframe(chunk: Uint8Array, from: number, asRows: boolean): number {
    const end = this.#load(chunk, from);
    return this.#wasm.unframeArchive(this.#input, end, asRows ? 1 : 0) - this.#input;
  }

  get outputLength(): number {
    return this.#wasm.getOutputEnd() - this.#output;
  }

  get entryEnded(): boolean {
    return this.#wasm.hasEntryEnded() !== 0;
  }

  /** The payload so far, where it lies: valid until the next `unframe`. */
  takeOutput(): Buffer {
    const taken = Buffer.from(this.#memory.buffer, this.#output, this.outputLength);
    this.#wasm.emptyOutput();
    return taken;
  }

  /** Takes bytes of the server's protocol; stops at the first message that is not CopyData and gives its type. */
  absorbWire(chunk: Uint8Array): { used: number; message: number } {
    let used = 0;
    while (used < chunk.length) {
      const end = this.#load(chunk, used);
      used += this.#wasm.absorbWire(this.#input, end) - this.#input;
      if (this.#wasm.getWireMessage() !== 0) return { used, message: this.#wasm.getWireMessage() };
    }
    return { used, message: 0 };
  }

  #load(chunk: Uint8Array, from: number): number {
    const part = chunk.subarray(from, from + this.#inputSize);
    this.#memory.set(part, this.#input);
    return this.#input + part.length;
  }
}
