/** Work that is done again and again, once at a time, with a pause after each end. It must not reject. */
export class Pulse {
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> | undefined;
  private stopped = false;
  private hurried = false;

  constructor(
    private readonly beat: () => Promise<void>,
    private readonly pauseMs: number,
  ) {}

  /** At once; again at once after a beat that is under way, which may have looked too early. */
  hurry(): void {
    if (this.current) this.hurried = true;
    else this.schedule(0);
  }

  /** Resolves at the end of the beat that is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  private schedule(afterMs: number): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.current = this.beat().finally(() => {
        const pauseMs = this.hurried ? 0 : this.pauseMs;
        this.current = undefined;
        this.hurried = false;
        this.schedule(pauseMs);
      });
    }, afterMs);
  }
}
