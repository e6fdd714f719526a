import type { CutWindow, WindowMaker } from './gear-scan.js';

/**
 * A session's windows, used again and again. Every stream has one, so that none waits for another's source; those beyond, in
 * which chunks wait to be hashed, are bounded for all streams together.
 */
export class Windows {
  private readonly spare: CutWindow[] = [];
  private taken = 0;
  private streams = 0;

  constructor(
    private readonly make: WindowMaker,
    private readonly sizeBytes: number,
    private readonly extra: number,
  ) {}

  /** The first window of a stream. */
  begin(): CutWindow {
    this.streams++;
    return this.take();
  }

  /** One more, if there is one. */
  more(): CutWindow | undefined {
    return this.taken - this.streams < this.extra ? this.take() : undefined;
  }

  giveBack(window: CutWindow): void {
    this.taken--;
    this.spare.push(window);
  }

  /** The stream's last window. */
  end(window: CutWindow): void {
    this.streams--;
    this.giveBack(window);
  }

  private take(): CutWindow {
    this.taken++;
    return this.spare.pop() ?? this.make(this.sizeBytes);
  }
}
