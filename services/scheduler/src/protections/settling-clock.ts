import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Pulse } from '@rahat/service-kit';
import type { Settling } from './settling.js';

const PERIOD_MS = 60_000;

/** Settles where nobody looks: marks would pile up, and whoever looks at last would wait. Where nothing changed it asks one question. */
export class SettlingClock implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SettlingClock.name);
  private readonly pulse: Pulse;

  constructor(
    private readonly settling: Pick<Settling, 'settleAll'>,
    periodMs = PERIOD_MS,
  ) {
    this.pulse = new Pulse(() => this.settleAll(), periodMs);
  }

  /** At once: a migration has marked every line. */
  onApplicationBootstrap(): void {
    this.pulse.hurry();
  }

  onApplicationShutdown(): Promise<void> {
    return this.pulse.stop();
  }

  private async settleAll(): Promise<void> {
    try {
      await this.settling.settleAll();
    } catch (error) {
      this.logger.error(`Could not settle protections: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
