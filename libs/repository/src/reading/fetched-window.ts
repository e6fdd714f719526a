import type { OpenedFrame } from '../frames/opened-frame.js';
import type { HeldFrame } from './frame-memory.js';
import type { FrameSource, WantedFrame } from './frame-source.js';
import { frameName, type FramePlace } from './ranged-reads.js';
import type { PlannedPiece, ReadWindow } from './read-plan.js';

/** A window whose frames are on their way or there. Each is held until its last piece was read. */
export class FetchedWindow {
  private readonly frames: Map<number, WindowFrame>;
  private readonly substitutes: HeldFrame[] = [];

  constructor(
    readonly plan: ReadWindow,
    private readonly source: FrameSource,
    private readonly options: { verifyWith?: Buffer; signal?: AbortSignal },
  ) {
    const wanted = plan.wantedFrames(options.verifyWith);
    const held = source.hold(wanted, options.signal);
    this.frames = new Map(wanted.map((place, i) => [frameName(place), new WindowFrame(held[i]!, plan.usesOf(place))]));
  }

  /** In the order in which they are needed first. */
  get framesInOrder(): Iterable<WindowFrame> {
    return this.frames.values();
  }

  frameOf(place: FramePlace): WindowFrame {
    return this.frames.get(frameName(place))!;
  }

  /** Another frame than was planned; it is held until the window is given back. */
  openInstead(place: WantedFrame): Promise<OpenedFrame> {
    const [held] = this.source.hold([place], this.options.signal);
    this.substitutes.push(held!);
    return held!.open();
  }

  giveBack(): void {
    for (const { held } of this.frames.values()) held.release();
    for (const held of this.substitutes) held.release();
  }
}

export class WindowFrame {
  begun = false;

  constructor(
    readonly held: HeldFrame,
    /** Pieces that are still to be read of it. */
    private uses: number,
  ) {}

  begin(): void {
    this.begun = true;
    void this.held.open();
  }

  /** Gives whether that was the last piece. */
  noteRead(piece: PlannedPiece): boolean {
    this.held.noteRead(piece);
    if (--this.uses > 0) return false;
    this.held.release();
    return true;
  }
}
