import { Logger } from '@nestjs/common';
import type { Heads } from '../heads/heads.js';
import type { Retention } from '../retention/retention.js';

const LONGEST_PAUSE_MS = 60_000;

/** Signs what has stood long enough and drops what is too old, again and again; replicas may do so at once. */
export class Upkeep {
  private readonly log = new Logger('audit');
  private readonly pauseMs: number;
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();

  constructor(
    private readonly heads: Heads,
    private readonly retention: Retention,
    private readonly headMinutes: number,
  ) {
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, headMinutes * 60_000);
  }

  onApplicationBootstrap(): void {
    this.begin(0);
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.current;
    clearTimeout(this.timer);
  }

  async once(): Promise<void> {
    await this.heads.signWhatStands(this.headMinutes);
    await this.retention.dropWhatIsOld();
  }

  private begin(afterMs: number): void {
    this.timer = setTimeout(() => {
      this.current = this.once()
        .catch((error: unknown) => this.log.warn(`The trail was not looked after: ${(error as Error).message}`))
        .finally(() => {
          if (this.timer !== undefined) this.begin(this.pauseMs);
        });
    }, afterMs);
    this.timer.unref();
  }
}
