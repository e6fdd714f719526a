/** One reader's pause between two looks: until somebody wakes it, or some time has passed. */
export class Wake {
  private woken = false;
  private resume: (() => void) | undefined;

  readonly now = (): void => {
    this.woken = true;
    this.resume?.();
  };

  async atLatestAfter(ms: number): Promise<void> {
    if (!this.woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        timer.unref();
        this.resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.resume = undefined;
    this.woken = false;
  }
}
