import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Settling } from './settling.js';

const PERIOD_MS = 60_000;

/** Settles where nobody looks: marks would pile up, and whoever looks at last would wait. Where nothing changed it asks one question. */
export class SettlingClock implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SettlingClock.name);
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly settling: Pick<Settling, 'settleAll'>,
    private readonly periodMs = PERIOD_MS,
  ) {}

  /** At once: a migration has marked every line. */
  onApplicationBootstrap(): void {
    this.schedule(0);
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  private schedule(afterMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.current = this.settleAll().finally(() => this.schedule(this.periodMs));
    }, afterMs);
  }

  private async settleAll(): Promise<void> {
    try {
      await this.settling.settleAll();
    } catch (error) {
      this.logger.error(`Could not settle protections: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
