import type { ChunkPlace, OpenedFrame } from '../frames/opened-frame.js';

/** For all frames of a session. A stream that finds no room goes on frame by frame. */
const FRAME_MEMORY_BYTES = 40 * 1024 * 1024;

/** A frame that is being fetched, or was. */
export interface FetchedFrame {
  storedBytes: number;
  plainBytes: number;
  /** Called at most once. */
  open(): Promise<OpenedFrame>;
}

/** A frame that stays in memory until it is released. */
export interface HeldFrame {
  /** Begins to open it, if nobody has. */
  open(): Promise<OpenedFrame>;
  /** Notes what was read of it. */
  noteRead(part: ChunkPlace): void;
  release(): void;
}

/**
 * Frames of a session, shared by all that read in it. A frame is kept while somebody holds it, and while there is room, because
 * neighbours need it too. One that was read to its end hardly is: its memory goes back at once, and the next frame is opened in it
 * while it stands in the processor's cache.
 */
export class FrameMemory {
  /** Those used last come last. */
  private readonly frames = new Map<number, KeptFrame>();
  private keptBytes = 0;
  private heldBytes = 0;

  constructor(private readonly budgetBytes = FRAME_MEMORY_BYTES) {}

  /** What can be held besides what is. */
  get room(): number {
    return this.budgetBytes - this.heldBytes;
  }

  hold(name: number): HeldFrame | undefined {
    const kept = this.frames.get(name);
    if (!kept) return undefined;
    this.frames.delete(name);
    this.frames.set(name, kept);
    return this.holding(kept);
  }

  add(name: number, fetched: FetchedFrame): HeldFrame {
    const kept = new KeptFrame(name, fetched);
    this.frames.set(name, kept);
    this.keptBytes += kept.bytes;
    const held = this.holding(kept);
    this.evict();
    return held;
  }

  private holding(kept: KeptFrame): HeldFrame {
    if (kept.holds++ === 0) this.heldBytes += kept.bytes;
    let held = true;
    return {
      open: () => this.open(kept),
      noteRead: (part) => kept.noteRead(part),
      release: () => {
        if (held) this.letGo(kept);
        held = false;
      },
    };
  }

  private open(kept: KeptFrame): Promise<OpenedFrame> {
    if (kept.opening) return kept.opening;
    const before = kept.bytes;
    const opening = (kept.opening = kept.fetched.open());
    if (kept.holds > 0) this.heldBytes += kept.bytes - before;
    if (this.frames.get(kept.name) === kept) this.keptBytes += kept.bytes - before;
    opening.then(
      (frame) => {
        kept.frame = frame;
        this.settle(kept);
      },
      // Who holds it sees the error; who asks for the frame next time tries anew.
      () => this.forget(kept),
    );
    return opening;
  }

  private letGo(kept: KeptFrame): void {
    if (--kept.holds > 0) return;
    this.heldBytes -= kept.bytes;
    this.settle(kept);
  }

  private settle(kept: KeptFrame): void {
    if (kept.isIdle && kept.readToItsEnd) this.drop(kept);
    this.evict();
  }

  private evict(): void {
    for (const kept of this.frames.values()) {
      if (this.keptBytes <= this.budgetBytes) return;
      if (kept.isIdle) this.drop(kept);
    }
  }

  private drop(kept: KeptFrame): void {
    this.forget(kept);
    kept.frame?.release();
  }

  private forget(kept: KeptFrame): void {
    if (this.frames.get(kept.name) !== kept) return;
    this.frames.delete(kept.name);
    this.keptBytes -= kept.bytes;
  }
}

class KeptFrame {
  holds = 0;
  opening: Promise<OpenedFrame> | undefined;
  frame: OpenedFrame | undefined;
  private readUpTo = 0;

  constructor(
    readonly name: number,
    readonly fetched: FetchedFrame,
  ) {}

  get bytes(): number {
    return this.opening ? this.fetched.plainBytes : this.fetched.storedBytes;
  }

  /** Nobody holds it, and no thread is at work on it. */
  get isIdle(): boolean {
    return this.holds === 0 && (this.opening === undefined || this.frame !== undefined);
  }

  get readToItsEnd(): boolean {
    return this.readUpTo >= this.fetched.plainBytes;
  }

  noteRead({ offset, length }: ChunkPlace): void {
    if (offset <= this.readUpTo) this.readUpTo = Math.max(this.readUpTo, offset + length);
  }
}
