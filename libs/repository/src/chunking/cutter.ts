import type { CutSizes } from './classes.js';
import { wasmGearScanner, type GearScanner, type GearScannerFactory } from './gear-scan.js';

const CAPACITY = 2 * 1024 * 1024;

/**
 * Cuts a stream into chunks. Boundaries depend on the bytes alone, never on how they arrive: a chunk is cut only when
 * the largest one would fit or the stream has ended. One cutter serves one stream at a time and is reused after `finish`.
 */
export class Cutter {
  private readonly scanner: GearScanner;
  private sizes: CutSizes = { min: 1, average: 1, max: 1 };
  private start = 0;
  private end = 0;

  constructor(gearTable: Buffer, createScanner: GearScannerFactory = wasmGearScanner) {
    this.scanner = createScanner(gearTable, CAPACITY);
  }

  begin(sizes: CutSizes): void {
    this.sizes = sizes;
    this.start = 0;
    this.end = 0;
  }

  /** Takes what fits of `bytes` from `offset` on, and gives how much that was. All chunks must be taken out before. */
  fill(bytes: Uint8Array, offset: number): number {
    const { buffer } = this.scanner;
    if (this.start > 0 && this.end + (bytes.length - offset) > buffer.length) {
      buffer.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    const taken = Math.min(bytes.length - offset, buffer.length - this.end);
    buffer.set(offset === 0 && taken === bytes.length ? bytes : bytes.subarray(offset, offset + taken), this.end);
    this.end += taken;
    return taken;
  }

  /** The next whole chunk, valid until the next `fill`; undefined when more bytes are needed (or, with `ended`, none are left). */
  next(ended: boolean): Buffer | undefined {
    const available = this.end - this.start;
    if (available === 0 || (!ended && available < this.sizes.max)) return undefined;
    const length = this.chunkLength(available);
    const chunk = this.scanner.buffer.subarray(this.start, this.start + length);
    this.start += length;
    return chunk;
  }

  private chunkLength(available: number): number {
    const { min, max } = this.sizes;
    return min === max ? Math.min(available, max) : this.scanner.scan(this.start, available, this.sizes);
  }
}
