import type { CutSizes } from './classes.js';
import type { CutWindow } from './gear-scan.js';

/**
 * Cuts a stream into chunks, in windows that it fills one after the other. Boundaries depend on the bytes alone, never on how
 * they arrive: a chunk is cut only when the largest one would fit or the stream has ended.
 */
export class Cutter {
  private start = 0;
  private end = 0;

  /** The window must hold two of the largest chunks. */
  constructor(
    private readonly sizes: CutSizes,
    private current: CutWindow,
  ) {}

  get window(): CutWindow {
    return this.current;
  }

  /** Where the next chunk begins in the window. */
  get position(): number {
    return this.start;
  }

  /** Takes what fits of `bytes` from `offset` on, and gives how much that was: 0 when the window is full. */
  fill(bytes: Uint8Array, offset: number): number {
    const target = this.current.bytes;
    const taken = Math.min(bytes.length - offset, target.length - this.end);
    if (taken > 0) target.set(offset === 0 && taken === bytes.length ? bytes : bytes.subarray(offset, offset + taken), this.end);
    this.end += taken;
    return taken;
  }

  /** Length of the next whole chunk, which begins at `position`; 0 when more bytes are needed (or, with `ended`, none are left). */
  next(ended: boolean): number {
    const available = this.end - this.start;
    const { min, max } = this.sizes;
    if (available === 0 || (!ended && available < max)) return 0;
    const length = min === max ? Math.min(available, max) : this.current.scan(this.start, available, this.sizes);
    this.start += length;
    return length;
  }

  /** Goes on in another window, or at the start of the same one, with the bytes that are not cut yet. */
  moveTo(window: CutWindow): void {
    const { bytes } = this.current;
    if (window === this.current) bytes.copyWithin(0, this.start, this.end);
    else window.bytes.set(bytes.subarray(this.start, this.end));
    this.end -= this.start;
    this.start = 0;
    this.current = window;
  }
}
