import type { CutWindow, WindowMaker } from './gear-scan.js';

/**
 * A session's windows, used again and again. Every stream has one, so that none waits for another's source; those beyond, in
 * which chunks wait to be hashed or compressed, are bounded for all streams together.
 */
export class Windows {
  private readonly spare: CutWindow[] = [];
  private readonly holders = new Map<CutWindow, number>();
  private readonly waiting = new Map<CutWindow, () => void>();
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
    return this.holders.size - this.streams < this.extra ? this.take() : undefined;
  }

  /** One more holder of a taken window, which keeps its bytes until all have given it back. */
  borrow(window: CutWindow): void {
    this.holders.set(window, this.holders.get(window)! + 1);
  }

  giveBack(window: CutWindow): void {
    const left = this.holders.get(window)! - 1;
    if (left > 0) {
      this.holders.set(window, left);
      if (left === 1) this.waiting.get(window)?.();
      return;
    }
    this.holders.delete(window);
    this.spare.push(window);
  }

  /** Resolves when the asker, who holds it, is the only holder. */
  async unshared(window: CutWindow): Promise<void> {
    if (this.holders.get(window) === 1) return;
    await new Promise<void>((resolve) => this.waiting.set(window, resolve));
    this.waiting.delete(window);
  }

  /** The stream's last window. */
  end(window: CutWindow): void {
    this.streams--;
    this.giveBack(window);
  }

  private take(): CutWindow {
    const window = this.spare.pop() ?? this.make(this.sizeBytes);
    this.holders.set(window, 1);
    return window;
  }
}
